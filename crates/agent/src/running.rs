//! The agent's parts, put together and started.
//!
//! In: settings and a supervisor. Out: running tasks, and the handles that a data plane needs. Every
//! task is supervised: one that fails ends the process, because a proxy with half an agent would
//! look alive and be wrong.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use ferromesh_net::SocketShelf;
use ferromesh_runtime::{Published, Publisher, SupervisorHandle};
use ferromesh_tls::SecretStore;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tracing::info;

use crate::certificate::{CertificateKeeper, WorkloadCertificate};
use crate::control_plane::ControlPlane;
use crate::data_plane::DataPlaneControl;
use crate::discovery::{self, DiscoveryStream};
use crate::dns::{DnsCounters, DnsError, DnsServer, Forwarder, NameIndex, ResolvConf};
use crate::metrics::{AgentMetrics, DiscoveryCounters};
use crate::names::NameTableSink;
use crate::node::Node;
use crate::relay::DiscoveryRelay;
use crate::sds::{SecretServer, socket_path};
use crate::settings::Settings;
use crate::status::{
    StatusError, StatusState, prometheus_router, readiness_router, serve, status_router,
};

/// Why the agent cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The DNS proxy's address.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// A port of the status server.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// A socket for Envoy.
    #[error("cannot listen on the socket for {what}: {reason}")]
    Socket {
        /// What it is for.
        what: &'static str,
        /// With the path.
        reason: io::Error,
    },
}

/// A started agent.
#[derive(Debug)]
pub struct Agent {
    settings: Arc<Settings>,
    control_plane: ControlPlane,
    certificate: Published<Option<Arc<WorkloadCertificate>>>,
    rotate: watch::Sender<u64>,
    names: Option<NameTableSink>,
    metrics: AgentMetrics,
    tasks: SupervisorHandle,
    shelf: SocketShelf,
}

impl Agent {
    /// Starts certificate keeping and the DNS proxy. Certificates go into `secrets`; all sockets
    /// come from `shelf`.
    ///
    /// # Errors
    /// When the DNS proxy cannot listen.
    pub fn start(
        settings: Arc<Settings>,
        secrets: SecretStore,
        tasks: SupervisorHandle,
        shelf: SocketShelf,
    ) -> Result<Self, AgentError> {
        let keeper = CertificateKeeper::new(settings.certificates.clone(), secrets);
        let (certificate, rotate) = (keeper.reader(), keeper.rotate_now());
        tasks.spawn("certificate", keeper.run());
        let dns = Arc::new(DnsCounters::default());
        let names = start_dns(&settings, &dns, &tasks, &shelf)?;
        let metrics = AgentMetrics {
            dns,
            discovery: Arc::new(DiscoveryCounters::default()),
            certificate: certificate.clone(),
        };
        Ok(Self {
            control_plane: ControlPlane::new(settings.discovery.clone()),
            certificate,
            rotate,
            names,
            metrics,
            tasks,
            shelf,
            settings,
        })
    }

    /// Discovery for a data plane in this process.
    pub fn discover(&self) -> DiscoveryStream {
        discovery::start(
            &Node::new(&self.settings.node),
            self.settings.delta,
            &self.control_plane,
            self.names.clone(),
            Arc::clone(&self.metrics.discovery),
        )
    }

    /// The sockets that a stock Envoy connects to.
    ///
    /// # Errors
    /// When a socket cannot be bound.
    pub fn serve_envoy(&self) -> Result<(), AgentError> {
        let file = &self.settings.node.workload_socket_file;
        let path = socket_path(&self.settings.root, file);
        let socket = |what| move |reason| AgentError::Socket { what, reason };
        let secrets = SecretServer::bind(&path, self.certificate.clone());
        self.tasks
            .spawn("secrets", secrets.map_err(socket("secrets"))?.run());
        let relay = DiscoveryRelay::bind(
            &self.settings.config_folder().join("XDS"),
            self.control_plane.clone(),
            self.names.clone(),
            Arc::clone(&self.metrics.discovery),
        );
        self.tasks
            .spawn("discovery relay", relay.map_err(socket("discovery"))?.run());
        Ok(())
    }

    /// The status server; with `all_ports` also the readiness and Prometheus ports. The returned
    /// handle is notified when the process is told to leave.
    ///
    /// # Errors
    /// When a port is taken.
    pub fn serve_status(
        &self,
        data_plane: Arc<dyn DataPlaneControl>,
        all_ports: bool,
    ) -> Result<Arc<Notify>, AgentError> {
        let settings = &self.settings;
        let quit = Arc::new(Notify::new());
        let first = settings.addresses.first().copied();
        let state = Arc::new(StatusState {
            settings: settings.status.clone(),
            data_plane,
            metrics: self.metrics.clone(),
            names: match &self.names {
                Some(names) => names.reader(),
                None => Publisher::new(NameIndex::default()).reader(),
            },
            application: first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            quit: Arc::clone(&quit),
            rotate: self.rotate.clone(),
        });
        self.listen(
            "status",
            settings.status.port,
            status_router(Arc::clone(&state)),
        )?;
        if all_ports {
            let router = readiness_router(Arc::clone(&state));
            self.listen("readiness", settings.node.readiness_port, router)?;
            let router = prometheus_router(state);
            self.listen("prometheus", settings.node.prometheus_port, router)?;
        }
        Ok(quit)
    }

    fn listen(
        &self,
        what: &'static str,
        port: u16,
        router: axum::Router,
    ) -> Result<(), AgentError> {
        if port == 0 {
            return Ok(());
        }
        // A wildcard IPv6 socket takes IPv4 as well; a pod without IPv6 may not have the family.
        let v6 = self.settings.addresses.iter().any(IpAddr::is_ipv6);
        let wildcard: IpAddr = if v6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        let address = SocketAddr::new(wildcard, port);
        let (bound, serving) = serve(what, address, router, &self.shelf)?;
        info!(what, address = %bound, "serving");
        self.tasks.spawn(what, serving);
        Ok(())
    }
}

fn start_dns(
    settings: &Settings,
    counters: &Arc<DnsCounters>,
    tasks: &SupervisorHandle,
    shelf: &SocketShelf,
) -> Result<Option<NameTableSink>, AgentError> {
    let Some(dns) = &settings.dns else {
        return Ok(None);
    };
    // The resolver's file is the container's own, wherever the other files are.
    let text = std::fs::read_to_string(Path::new("/etc/resolv.conf")).unwrap_or_default();
    let resolver = ResolvConf::parse(&text).without(dns.listen);
    let names = NameTableSink::new(&settings.namespace, resolver.search);
    let forwarder = Forwarder::new(resolver.servers, dns.parallel, dns.timeout);
    let counters = Arc::clone(counters);
    let server = DnsServer::bind(dns.listen, shelf, names.reader(), forwarder, counters)?;
    info!(address = %dns.listen, "answering DNS");
    tasks.spawn("dns", server.run());
    Ok(Some(names))
}
