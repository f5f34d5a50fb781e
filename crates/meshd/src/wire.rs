//! Puts the process together: source, publisher, authority, ports; and takes it down again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use ferromesh_ca::Authority;
use ferromesh_ca::token::TokenVerifier;
use ferromesh_ingest::{DirectorySettings, DirectorySource};
use ferromesh_model::{MeshSettings, SnapshotBuilder};
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
use crate::settings::Settings;
use crate::xds::authenticate::Authenticator;
use crate::xds::streams::StreamServer;

/// Batches that may wait for the publisher.
const BATCHES: usize = 16;
/// How long open streams may take to end at the end of the process.
const GRACE: Duration = Duration::from_secs(3);

/// Runs the control plane until `stop` resolves.
pub(crate) async fn run(
    settings: Settings,
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
    let serving = serve(
        &settings,
        &plane,
        &authority,
        &authenticator,
        &tasks,
        &signal,
    )
    .await?;
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

/// Opens the four ports.
async fn serve(
    settings: &Settings,
    plane: &Arc<ControlPlane>,
    authority: &Arc<Authority>,
    authenticator: &Arc<Authenticator>,
    tasks: &SupervisorHandle,
    signal: &DrainSignal,
) -> anyhow::Result<ServingIdentity> {
    let routes = Arc::new(grpc_routes(
        settings,
        plane,
        authority,
        authenticator,
        signal,
    ));
    let identity = ServingIdentity::new(Arc::clone(authority), settings.serving_names.clone())?;
    let tls: Arc<TlsServer> = Arc::new(identity.server());
    let ports = [
        (
            "plaintext xDS",
            settings.addresses.plaintext,
            Security::Plaintext,
            settings.access.plaintext_port,
        ),
        (
            "TLS xDS",
            settings.addresses.tls,
            Security::Tls(tls),
            settings.access.tls_port,
        ),
    ];
    for (name, address, security, must_authenticate) in ports {
        let port = GrpcPort {
            listener: bind(address).await?,
            routes: Arc::clone(&routes),
            security,
            must_authenticate,
            drain: signal.clone(),
        };
        info!(port = name, address = %port.listener.local_addr()?, "listening");
        tasks.spawn(name, port.run());
    }
    let access = DebugAccess {
        authenticator: settings
            .access
            .debug_pages
            .then(|| Arc::clone(authenticator)),
        namespace: MeshSettings::default().control_plane_namespace,
    };
    let pages = debug_routes(Arc::clone(plane), access.clone());
    let metrics = monitoring_routes(Arc::clone(plane), access);
    http_port("debug", settings.addresses.debug, pages, tasks).await?;
    http_port("monitoring", settings.addresses.monitoring, metrics, tasks).await?;
    Ok(identity)
}

fn grpc_routes(
    settings: &Settings,
    plane: &Arc<ControlPlane>,
    authority: &Arc<Authority>,
    authenticator: &Arc<Authenticator>,
    signal: &DrainSignal,
) -> Routes {
    let streams = Arc::new(StreamServer::new(
        Arc::clone(plane),
        Arc::clone(authenticator),
        settings.access.identity,
        signal.clone(),
    ));
    let certificates = Arc::new(CertificateService {
        plane: Arc::clone(plane),
        authority: Arc::clone(authority),
        authenticator: Arc::clone(authenticator),
    });
    Routes::new()
        .aggregated_discovery(Arc::new(move |stream| streams.accept(stream)))
        .unary(CREATE_CERTIFICATE, move |request| {
            let answer = certificates.create(request);
            async move { answer }
        })
}

async fn http_port(
    name: &'static str,
    address: SocketAddr,
    pages: Router,
    tasks: &SupervisorHandle,
) -> anyhow::Result<()> {
    let listener: TcpListener = bind(address).await?;
    info!(port = name, address = %listener.local_addr()?, "listening");
    let service = pages.into_make_service_with_connect_info::<SocketAddr>();
    tasks.spawn(name, async move { axum::serve(listener, service).await });
    Ok(())
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
