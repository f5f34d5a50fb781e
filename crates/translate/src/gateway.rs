//! The servers of a gateway by the address that is really bound.
//!
//! A Gateway object names ports of the gateway's Service; the workload listens on the target ports
//! behind them. Several ports may lead to one target port: their servers share a listener.

use std::collections::BTreeMap;

use ferromesh_config::kind::gateway::{Server, ServerTlsMode};
use ferromesh_model::{GatewayRef, GatewayServer, GatewayView, Snapshot};
use ferromesh_types::{Hostname, Namespace, Protocol, Str};

/// Where a listener binds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BoundAddress {
    /// The port of the workload.
    pub(crate) port: u16,
    /// The address as written; empty is all addresses.
    pub(crate) bind: Str,
}

/// A server with the port that its Gateway names.
#[derive(Clone, Debug)]
pub(crate) struct BoundServer {
    /// The server.
    pub(crate) server: GatewayServer,
    /// The port that clients use.
    pub(crate) port: u16,
}

/// What a server does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerKind {
    /// Plaintext HTTP.
    Http,
    /// HTTP inside TLS that the gateway ends.
    Https,
    /// Bytes inside TLS that the gateway ends.
    TerminatedTls,
    /// TLS that passes.
    PassedTls,
    /// Mutual TLS that passes to the service port in its server name.
    PassedByServerName,
    /// Bytes.
    Tcp,
    /// Nothing that this version serves.
    None,
}

/// The servers of a gateway by address, those of the oldest Gateway first. Ports that the workload
/// may not bind are left out.
pub(crate) fn bound_servers(
    snapshot: &Snapshot,
    view: &GatewayView,
) -> BTreeMap<BoundAddress, Vec<BoundServer>> {
    let mut bound: BTreeMap<BoundAddress, Vec<BoundServer>> = BTreeMap::new();
    for (address, servers) in snapshot.merged_gateways(view).servers {
        for server in servers {
            for port in target_ports(snapshot, view, &server, address.port) {
                if view.outbound.settings.unprivileged && port < 1024 {
                    continue;
                }
                let place = BoundAddress {
                    port,
                    bind: address.bind.clone(),
                };
                bound.entry(place).or_default().push(BoundServer {
                    server: server.clone(),
                    port: address.port,
                });
            }
        }
    }
    bound
}

/// The ports that the workload listens on for a server: what its Service makes of the server's port,
/// else that port itself. A Gateway that is bound to Services has the ports of these alone.
fn target_ports(
    snapshot: &Snapshot,
    view: &GatewayView,
    server: &GatewayServer,
    port: u16,
) -> Vec<u16> {
    let mut mapped = view.ports.iter().filter(|known| known.port == port);
    let Some(services) = snapshot.gateways().services_of(&server.gateway.key) else {
        let first = mapped.next();
        return vec![first.map_or(port, |known| known.target_port)];
    };
    let own = mapped.filter(|known| services.contains(&known.hostname));
    let mut targets: Vec<u16> = own.map(|known| known.target_port).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

impl BoundAddress {
    /// The table of the plaintext servers: `http.8080`, `http.8080.10.0.0.1`.
    pub(crate) fn http_table(&self) -> String {
        if self.bind.is_empty() {
            format!("http.{}", self.port)
        } else {
            format!("http.{}.{}", self.port, self.bind)
        }
    }
}

impl BoundServer {
    /// What the object says.
    pub(crate) fn spec(&self) -> &Server {
        self.server.server()
    }

    /// What the server does.
    pub(crate) fn kind(&self) -> ServerKind {
        let spec = self.spec();
        let Some(port) = &spec.port else {
            return ServerKind::None;
        };
        let protocol = port.protocol();
        if protocol.is_http() {
            return ServerKind::Http;
        }
        let mode = spec.tls.as_ref().map(|tls| tls.mode);
        match (protocol, mode) {
            (Protocol::Https | Protocol::Tls, Some(ServerTlsMode::AutoPassthrough)) => {
                ServerKind::PassedByServerName
            }
            (_, Some(ServerTlsMode::AutoPassthrough)) => ServerKind::None,
            (Protocol::Https | Protocol::Tls, Some(ServerTlsMode::Passthrough)) => {
                ServerKind::PassedTls
            }
            (Protocol::Https, Some(_)) => ServerKind::Https,
            (Protocol::Tls, Some(_)) => ServerKind::TerminatedTls,
            (Protocol::Https | Protocol::Tls, None) => ServerKind::None,
            (_, None | Some(ServerTlsMode::Passthrough)) => ServerKind::Tcp,
            (_, Some(_)) => ServerKind::TerminatedTls,
        }
    }

    /// The table of a server with TLS: `https.443.https.front.istio-system`.
    pub(crate) fn https_table(&self) -> String {
        let spec = self.spec();
        let port_name = spec.port.as_ref().map_or("", |port| port.name.as_str());
        let gateway = &self.server.gateway;
        let name = format!(
            "https.{}.{port_name}.{}.{}",
            self.port,
            gateway.name(),
            gateway.namespace()
        );
        if spec.bind.is_empty() {
            name
        } else {
            format!("{name}.{}", spec.bind)
        }
    }

    /// The Gateway object, as VirtualServices name it.
    pub(crate) fn reference(&self) -> GatewayRef {
        let gateway = &self.server.gateway;
        GatewayRef::Named(gateway.namespace().clone(), gateway.name().clone())
    }

    /// The hosts, without their namespaces.
    pub(crate) fn host_names(&self) -> impl Iterator<Item = Hostname> + '_ {
        self.spec().hosts.iter().map(|host| split_host(host).1)
    }

    /// The part of `hosts`, which an object of `namespace` names, that the server takes: of two
    /// overlapping names the narrower one.
    pub(crate) fn shared_hosts(&self, namespace: &Namespace, hosts: &[Hostname]) -> Vec<Hostname> {
        let home = self.server.gateway.namespace();
        let mut shared = Vec::new();
        for host in hosts {
            let found = self.spec().hosts.iter().find_map(|written| {
                let (from, pattern) = split_host(written);
                let admitted = match from {
                    None | Some("*") => true,
                    Some(".") => namespace == home,
                    Some(name) => namespace.as_str() == name,
                };
                if !admitted {
                    None
                } else if host.is_covered_by(&pattern) {
                    Some(host.clone())
                } else {
                    pattern.is_covered_by(host).then_some(pattern)
                }
            });
            shared.extend(found);
        }
        shared.sort();
        shared.dedup();
        shared
    }
}

/// `namespace/host` or `host`.
fn split_host(written: &str) -> (Option<&str>, Hostname) {
    match written.split_once('/') {
        Some((namespace, host)) => (Some(namespace), Hostname::from(host)),
        None => (None, Hostname::from(written)),
    }
}
