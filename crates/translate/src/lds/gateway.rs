//! Listeners of a gateway: one per port that its Gateway objects open.
//!
//! Plaintext HTTP servers of a port share one chain and one route table. Servers with TLS have a
//! chain each, chosen by server name. The two cannot share a port: the first server decides.

use std::collections::BTreeSet;

use ferromesh_model::{GatewayView, Scope, Snapshot};
use ferromesh_proto::envoy::config::accesslog::v3::AccessLog;
use ferromesh_proto::envoy::config::core::v3::{TrafficDirection, TransportSocket};
use ferromesh_proto::envoy::config::listener::v3::{Filter, FilterChain};
use ferromesh_registry::Resolution;
use ferromesh_types::Protocol;

use super::destinations::VisibleDestinations;
use super::http_manager::{self, Place};
use super::layer4::{Chain, Layer4};
use super::tcp_proxy::{self, ConnectionLimits};
use super::{listener, listener_filter, server_tls};
use crate::gateway::{BoundAddress, BoundServer, ServerKind, bound_servers};
use crate::rds::scope::{RouteScope, Target};
use crate::tls::{alpn, strings, tls_socket};
use crate::{Resource, access_log, names};

/// What sidecars offer inside of mutual TLS: bytes and HTTP, with their exchange of metadata.
const MESH_PROTOCOLS: &[&str] = &[
    alpn::ISTIO,
    alpn::PEER_EXCHANGE,
    alpn::ISTIO_HTTP10,
    alpn::ISTIO_HTTP11,
    alpn::ISTIO_H2,
];

/// All listeners, by name.
pub(super) fn listeners(snapshot: &Snapshot, view: &GatewayView) -> Vec<Resource> {
    let scope = snapshot.scope(&view.outbound);
    let maker = Maker {
        snapshot,
        view,
        scope: &scope,
        access_log: access_log::of_traffic(snapshot.mesh()),
    };
    let mut all: Vec<Resource> = bound_servers(snapshot, view)
        .iter()
        .filter_map(|(address, servers)| maker.listener(address, servers))
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

struct Maker<'a> {
    snapshot: &'a Snapshot,
    view: &'a GatewayView,
    scope: &'a Scope,
    access_log: Vec<AccessLog>,
}

impl Maker<'_> {
    /// The listener of one address; `None` if nothing can be served there.
    fn listener(&self, address: &BoundAddress, servers: &[BoundServer]) -> Option<Resource> {
        if !super::can_bind(&address.bind, self.view.outbound.dialect) {
            return None;
        }
        let bind = if address.bind.is_empty() {
            super::wildcard(self.view.outbound.ip_family)
        } else {
            address.bind.as_str()
        };
        let name = names::listener(bind, address.port);
        let plaintext = servers
            .first()
            .is_some_and(|first| first.kind() == ServerKind::Http);
        let chains = if plaintext {
            let table = address.http_table();
            vec![
                Chain {
                    filters: vec![self.manager(&name, table)],
                    ..Default::default()
                }
                .build(),
            ]
        } else {
            self.server_chains(&name, servers)
        };
        if chains.is_empty() {
            return None;
        }
        let mut built = listener::bound(name, bind, address.port, TrafficDirection::Outbound);
        built.filter_chains = chains;
        built.access_log = access_log::of_listener(self.snapshot.mesh());
        if self.proxy_protocol() {
            built
                .listener_filters
                .push(listener_filter::proxy_protocol());
        }
        let encrypted = built
            .filter_chains
            .iter()
            .any(|chain| chain.transport_socket.is_some());
        listener::inspect(&mut built);
        let inspected = built
            .listener_filters
            .iter()
            .any(|filter| filter.name.ends_with("tls_inspector"));
        if encrypted && !inspected {
            built
                .listener_filters
                .push(listener_filter::tls_inspector());
        }
        Some(listener::finish(&built))
    }

    /// A chain per server; of two servers for one name the first has it.
    fn server_chains(&self, listener_name: &str, servers: &[BoundServer]) -> Vec<FilterChain> {
        let mut taken = BTreeSet::new();
        let mut built = Vec::new();
        // Bytes of two servers cannot be told apart: the first has the port.
        let mut bytes = false;
        for server in servers {
            if server.kind() == ServerKind::Tcp && std::mem::replace(&mut bytes, true) {
                continue;
            }
            if !self.is_served(server) {
                continue;
            }
            let socket = self.transport(server);
            for mut chain in self.chains(listener_name, server) {
                let asked = chain.server_names.len();
                chain.server_names.retain(|name| taken.insert(name.clone()));
                let is_for_all = chain.is_for_all();
                if chain.server_names.is_empty()
                    && (asked > 0 || (is_for_all && !taken.insert(String::new())))
                {
                    continue;
                }
                built.push(FilterChain {
                    transport_socket: socket.clone(),
                    ..chain.build()
                });
            }
        }
        built
    }

    fn chains(&self, listener_name: &str, server: &BoundServer) -> Vec<Chain> {
        match server.kind() {
            ServerKind::Https => vec![Chain {
                server_names: server_names(server),
                filters: vec![self.manager(listener_name, server.https_table())],
                ..Default::default()
            }],
            ServerKind::PassedTls => self.layer4_chains(server, true),
            ServerKind::PassedByServerName => self.named_chains(server),
            ServerKind::TerminatedTls => {
                let mut chains = self.layer4_chains(server, false);
                for chain in &mut chains {
                    chain.server_names = server_names(server);
                }
                chains
            }
            ServerKind::Tcp => self.layer4_chains(server, false),
            ServerKind::Http | ServerKind::None => Vec::new(),
        }
    }

    /// A chain for each port and subset of the services that the server lets in, by the server name
    /// that sidecars send.
    fn named_chains(&self, server: &BoundServer) -> Vec<Chain> {
        let services = self.scope.services().iter().filter(|service| {
            let host = std::slice::from_ref(&service.hostname);
            let has_clusters = !service.mesh_external && service.resolution != Resolution::Alias;
            has_clusters && !server.shared_hosts(&service.namespace, host).is_empty()
        });
        let mut chains = Vec::new();
        for service in services {
            let rule = self.snapshot.destination_rule(&self.view.outbound, service);
            let subsets = rule.iter().flat_map(|rule| &rule.spec.subsets);
            let subsets: Vec<&str> = subsets.map(|subset| subset.name.as_str()).collect();
            for port in service
                .ports
                .iter()
                .filter(|port| port.protocol != Protocol::Udp)
            {
                for subset in std::iter::once("").chain(subsets.iter().copied()) {
                    let name = names::mutual_tls_sni(port.port, subset, &service.hostname);
                    let limits = ConnectionLimits::default();
                    let log = self.access_log.clone();
                    chains.push(Chain {
                        filters: vec![tcp_proxy::to_cluster(&name, &limits, log)],
                        server_names: vec![name],
                        application_protocols: strings(MESH_PROTOCOLS),
                        ..Default::default()
                    });
                }
            }
        }
        chains
    }

    /// The chains of the VirtualServices that are bound to the server's Gateway: their TLS routes
    /// for TLS that passes, else their TCP routes.
    fn layer4_chains(&self, server: &BoundServer, passes_tls: bool) -> Vec<Chain> {
        let outbound = &self.view.outbound;
        let destinations = VisibleDestinations {
            snapshot: self.snapshot,
            view: outbound,
            scope: self.scope,
            listener_port: None,
        };
        let gateway = server.reference();
        let scope = RouteScope {
            gateways: std::slice::from_ref(&gateway),
            port: server.port,
            labels: &outbound.labels,
            source_namespace: outbound.source_namespace.as_ref(),
            default_retries: None,
            domain: &self.snapshot.settings().domain,
            destinations: &destinations,
        };
        let layer4 = Layer4 {
            scope: &scope,
            limits: &|target: &Target| destinations.limits(target),
            access_log: &self.access_log,
        };
        self.snapshot
            .routes_of_gateway(&gateway, &self.view.namespace)
            .iter()
            .filter(|entry| {
                let home = entry.declared.namespace();
                !server.shared_hosts(home, &entry.hosts).is_empty()
            })
            .flat_map(|entry| {
                if passes_tls {
                    layer4.tls_chains(entry)
                } else {
                    layer4.tcp_chains(entry)
                }
            })
            .collect()
    }

    fn manager(&self, listener_name: &str, table: String) -> Filter {
        let topology = self
            .snapshot
            .mesh()
            .default_config
            .gateway_topology
            .as_ref();
        let place = Place::Gateway {
            trusted_hops: topology.map(|t| t.num_trusted_proxies).unwrap_or_default(),
        };
        let stat_name = format!("outbound_{listener_name}");
        let log = self.access_log.clone();
        http_manager::with_rds(place, &stat_name, table, Protocol::Http, log)
    }

    /// Whether the proxy can speak the TLS that a server asks for.
    fn is_served(&self, server: &BoundServer) -> bool {
        let tls = server.spec().tls.as_ref();
        let dialect = self.view.outbound.dialect;
        tls.is_none_or(|tls| server_tls::is_spoken(tls, dialect))
    }

    fn transport(&self, server: &BoundServer) -> Option<TransportSocket> {
        match server.kind() {
            ServerKind::Https | ServerKind::TerminatedTls => server
                .spec()
                .tls
                .as_ref()
                .map(|tls| tls_socket(&server_tls::context(tls, self.snapshot.mesh()))),
            ServerKind::Http
            | ServerKind::PassedTls
            | ServerKind::PassedByServerName
            | ServerKind::Tcp
            | ServerKind::None => None,
        }
    }

    fn proxy_protocol(&self) -> bool {
        let topology = self
            .snapshot
            .mesh()
            .default_config
            .gateway_topology
            .as_ref();
        topology.is_some_and(|topology| topology.proxy_protocol.is_some())
    }
}

/// The server names of a server, sorted; none for a server that takes all.
fn server_names(server: &BoundServer) -> Vec<String> {
    let mut names: Vec<String> = server.host_names().map(|host| host.to_string()).collect();
    if names.iter().any(|name| name == "*") {
        return Vec::new();
    }
    names.sort();
    names.dedup();
    names
}
