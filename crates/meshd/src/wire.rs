//! Puts the process together: source, publisher, authority, ports; and takes it down again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ferromesh_ca::Authority;
use ferromesh_ca::token::TokenVerifier;
use ferromesh_ingest::{DirectorySettings, DirectorySource};
use ferromesh_model::{MeshSettings, SnapshotBuilder};
use ferromesh_net::release_freed_memory_when_calm;
use ferromesh_runtime::{DrainSignal, Supervisor, SupervisorHandle, drain_channel};
use ferromesh_tls::TlsServer;
use ferromesh_types::Str;
use ferromesh_xds::transport::server::Routes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::info;

use crate::certs::authority;
use crate::certs::service::{CREATE_CERTIFICATE, CertificateService};
use crate::certs::serving::ServingIdentity;
use crate::control_plane::ControlPlane;
use crate::debug::{DebugAccess, debug_routes, monitoring_routes};
use crate::listen::{GrpcPort, Security, bind};
use crate::push::publisher::SnapshotPublisher;
use crate::settings::{Addresses, Settings};
use crate::xds::authenticate::Authenticator;
use crate::xds::streams::StreamServer;

/// Batches that may wait for the publisher.
const BATCHES: usize = 16;
/// How long open streams may take to end at the end of the process.
const GRACE: Duration = Duration::from_secs(3);

/// The open ports of the process.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) plaintext: TcpListener,
    pub(crate) tls: TcpListener,
    pub(crate) monitoring: TcpListener,
    pub(crate) debug: TcpListener,
}

impl Ports {
    /// Opens all of them.
    pub(crate) async fn open(addresses: &Addresses) -> anyhow::Result<Self> {
        let ports = Self {
            plaintext: bind(addresses.plaintext).await?,
            tls: bind(addresses.tls).await?,
            monitoring: bind(addresses.monitoring).await?,
            debug: bind(addresses.debug).await?,
        };
        info!(
            plaintext = %ports.plaintext.local_addr()?,
            tls = %ports.tls.local_addr()?,
            monitoring = %ports.monitoring.local_addr()?,
            debug = %ports.debug.local_addr()?,
            "listening"
        );
        Ok(ports)
    }
}

/// Runs the control plane on `ports` until `stop` resolves.
pub(crate) async fn run(
    settings: Settings,
    ports: Ports,
    stop: impl Future<Output = std::io::Result<()>>,
) -> anyhow::Result<()> {
    let builder = SnapshotBuilder::new(MeshSettings {
        domain: settings.domain.as_str().into(),
        cluster: settings.cluster.clone(),
        ..MeshSettings::default()
    });
    let snapshot = Arc::clone(builder.snapshot());
    let trust_domain = snapshot.mesh().trust_domain.clone();
    let plane = Arc::new(ControlPlane::new(snapshot, settings.push.throttle));
    let authority = Arc::new(authority::load(&settings, &trust_domain)?);
    plane
        .metrics
        .root_expiry(authority.material().not_after().unix_timestamp());
    let verifier = token_verifier(&settings, &trust_domain)?;
    let authenticator = Arc::new(Authenticator::new(Arc::clone(&plane), verifier));

    let mut supervisor = Supervisor::new();
    let (trigger, signal) = drain_channel();
    let tasks = supervisor.handle();
    tasks.spawn("freed memory", release_freed_memory_when_calm());
    let trust = Trust {
        authority,
        authenticator,
    };
    let serving = serve(&settings, ports, &plane, &trust, (&tasks, &signal))?;
    tasks.spawn("serving certificate", async move {
        serving.keep_fresh().await;
        Ok::<(), anyhow::Error>(())
    });
    let (batches, receiver) = mpsc::channel(BATCHES);
    let source = DirectorySource::new(DirectorySettings::new(
        settings.config.clone(),
        settings.status.clone(),
    ));
    tasks.spawn("config source", source.run(batches));
    let publisher = SnapshotPublisher::new(Arc::clone(&plane), settings.push, builder);
    tasks.spawn("publisher", async move {
        publisher.run(receiver).await;
        Ok::<(), anyhow::Error>(())
    });
    drop(signal);
    tokio::select! {
        stopped = stop => stopped.context("cannot wait for signals")?,
        failure = supervisor.failed() => anyhow::bail!("{failure}"),
    }
    info!("ending: streams are closed");
    // Streams that do not end in time end with the process.
    let _ = tokio::time::timeout(GRACE, trigger.drain()).await;
    Ok(())
}

/// Who signs, and who verifies callers.
struct Trust {
    authority: Arc<Authority>,
    authenticator: Arc<Authenticator>,
}

/// Begins to serve the four ports.
fn serve(
    settings: &Settings,
    ports: Ports,
    plane: &Arc<ControlPlane>,
    trust: &Trust,
    (tasks, signal): (&SupervisorHandle, &DrainSignal),
) -> anyhow::Result<ServingIdentity> {
    let routes = Arc::new(grpc_routes(settings, plane, trust, signal));
    let names = settings.serving_names.clone();
    let identity = ServingIdentity::new(Arc::clone(&trust.authority), names)?;
    let tls: Arc<TlsServer> = Arc::new(identity.server());
    let access = settings.access;
    for (name, listener, security, must_authenticate) in [
        (
            "plaintext xDS",
            ports.plaintext,
            Security::Plaintext,
            access.plaintext_port,
        ),
        ("TLS xDS", ports.tls, Security::Tls(tls), access.tls_port),
    ] {
        let port = GrpcPort {
            listener,
            routes: Arc::clone(&routes),
            security,
            must_authenticate,
            drain: signal.clone(),
        };
        tasks.spawn(name, port.run());
    }
    let access = DebugAccess {
        authenticator: access.debug_pages.then(|| Arc::clone(&trust.authenticator)),
        namespace: MeshSettings::default().control_plane_namespace,
    };
    let pages = debug_routes(Arc::clone(plane), access.clone());
    let metrics = monitoring_routes(Arc::clone(plane), access);
    for (name, listener, pages) in [
        ("debug pages", ports.debug, pages),
        ("monitoring pages", ports.monitoring, metrics),
    ] {
        let service = pages.into_make_service_with_connect_info::<SocketAddr>();
        tasks.spawn(name, async move { axum::serve(listener, service).await });
    }
    Ok(identity)
}

fn grpc_routes(
    settings: &Settings,
    plane: &Arc<ControlPlane>,
    trust: &Trust,
    signal: &DrainSignal,
) -> Routes {
    let streams = Arc::new(StreamServer::new(
        Arc::clone(plane),
        Arc::clone(&trust.authenticator),
        settings.access.identity,
        signal.clone(),
    ));
    let certificates = Arc::new(CertificateService {
        plane: Arc::clone(plane),
        authority: Arc::clone(&trust.authority),
        authenticator: Arc::clone(&trust.authenticator),
    });
    Routes::new()
        .aggregated_discovery(Arc::new(move |stream| streams.accept(stream)))
        .unary(CREATE_CERTIFICATE, move |request| {
            let answer = certificates.create(request);
            async move { answer }
        })
}

fn token_verifier(
    settings: &Settings,
    trust_domain: &Str,
) -> anyhow::Result<Option<TokenVerifier>> {
    let Some(path) = &settings.token_key else {
        return Ok(None);
    };
    let key = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token key {}", path.display()))?;
    let audiences: Vec<&str> = settings
        .token_audiences
        .iter()
        .map(String::as_str)
        .collect();
    let verifier = TokenVerifier::from_pem(&key, &audiences, trust_domain)
        .with_context(|| format!("--token-public-key {}", path.display()))?;
    Ok(Some(verifier))
}

#[cfg(test)]
mod tests;
