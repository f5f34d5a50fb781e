//! `virtualInbound`: where connections to the workload arrive, whatever their port.
//!
//! The chains in order: a guard against loops, the ports that no service claims, then each port of
//! the workload's services. Within a port the rows of `mtls_chain` apply.

use std::collections::BTreeSet;

use ferromesh_model::{InboundPort, InboundView, MtlsMode, Snapshot};
use ferromesh_proto::envoy::config::accesslog::v3::AccessLog;
use ferromesh_proto::envoy::config::core::v3::TrafficDirection;
use ferromesh_proto::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter,
};
use ferromesh_types::Protocol;

use super::http_manager::{self, Place};
use super::mtls_chain::{self, Row};
use super::tcp_proxy::{self, ConnectionLimits};
use super::{listener, listener_filter, virtual_outbound};
use crate::http_filter;
use crate::rds::inbound as routes;
use crate::tls::{alpn, downstream, tls_socket};
use crate::value::{duration, flag, no_limit, number};
use crate::{Resource, access_log, names};

/// The inbound listener; none if nothing is redirected.
pub(super) fn listeners(snapshot: &Snapshot, view: &InboundView) -> Vec<Resource> {
    if view.settings.no_interception {
        return Vec::new();
    }
    let maker = Maker {
        snapshot,
        view,
        access_log: access_log::of_traffic(snapshot.mesh()),
    };
    vec![listener::finish(&maker.listener())]
}

struct Maker<'a> {
    snapshot: &'a Snapshot,
    view: &'a InboundView,
    access_log: Vec<AccessLog>,
}

/// What a group of chains is for.
struct Target<'a> {
    /// The port; `None` is every port without chains of its own.
    port: Option<u16>,
    protocol: Protocol,
    mode: MtlsMode,
    cluster: String,
    /// The names of the chain for HTTP and for bytes.
    names: [String; 2],
    stat_name: String,
    service: Option<&'a InboundPort>,
}

impl Maker<'_> {
    fn listener(&self) -> Listener {
        let mesh = self.snapshot.mesh();
        let port = mesh.proxy_inbound_listen_port;
        let mut chains = vec![self.loop_guard(port)];
        for target in self.unclaimed().into_iter().chain(self.claimed()) {
            chains.extend(self.chains(&target));
        }
        let filters = self.listener_filters(&chains);
        let waits = filters
            .iter()
            .any(|filter| filter.name.ends_with("http_inspector"));
        let mut built = listener::bound(
            names::VIRTUAL_INBOUND.to_owned(),
            super::wildcard(self.view.ip_family),
            port,
            TrafficDirection::Inbound,
        );
        built.filter_chains = chains;
        built.listener_filters = filters;
        built.continue_on_listener_filters_timeout = true;
        built.listener_filters_timeout = if waits {
            Some(duration(*mesh.protocol_detection_timeout))
        } else {
            no_limit()
        };
        built.access_log = access_log::of_listener(mesh);
        if self.view.settings.transparent {
            built.transparent = flag(true);
        }
        if self.view.settings.inbound_exact_balance {
            built.connection_balance_config = Some(virtual_outbound::exact_balance());
        }
        built
    }

    /// A connection that was really meant for this port would go round for ever.
    fn loop_guard(&self, port: u16) -> FilterChain {
        FilterChain {
            name: "virtualInbound-blackhole".to_owned(),
            filter_chain_match: Some(FilterChainMatch {
                destination_port: number(u32::from(port)),
                ..Default::default()
            }),
            filters: vec![self.bytes_to(names::BLACK_HOLE)],
            ..Default::default()
        }
    }

    /// Ports that no service claims: all of them, and single ones with a mode of their own.
    fn unclaimed(&self) -> Vec<Target<'static>> {
        let claimed: BTreeSet<u16> = self
            .view
            .ports
            .iter()
            .map(|port| port.target_port)
            .collect();
        let modes = &self.view.authentication;
        let own = modes
            .ports
            .iter()
            .filter(|(port, _)| !claimed.contains(port))
            .map(|(port, mode)| (Some(*port), *mode));
        std::iter::once((None, modes.mode))
            .chain(own)
            .map(|(port, mode)| Target {
                port,
                protocol: Protocol::Auto,
                mode,
                cluster: names::INBOUND_PASSTHROUGH.to_owned(),
                names: [
                    "virtualInbound-catchall-http".to_owned(),
                    names::VIRTUAL_INBOUND.to_owned(),
                ],
                stat_name: names::INBOUND_PASSTHROUGH.to_owned(),
                service: None,
            })
            .collect()
    }

    /// Ports of the workload's services; of several services on one port the first counts.
    fn claimed(&self) -> Vec<Target<'_>> {
        let mut seen = BTreeSet::new();
        let mut ports: Vec<&InboundPort> = self
            .view
            .ports
            .iter()
            .filter(|port| port.port.protocol != Protocol::Udp && seen.insert(port.target_port))
            .collect();
        ports.sort_by_key(|port| port.target_port);
        ports
            .into_iter()
            .map(|port| self.claimed_port(port))
            .collect()
    }

    fn claimed_port<'a>(&self, port: &'a InboundPort) -> Target<'a> {
        let bind = super::wildcard(self.view.ip_family);
        let name = names::listener(bind, port.target_port);
        Target {
            port: Some(port.target_port),
            protocol: port.port.protocol,
            mode: self.view.authentication.of_port(port.target_port),
            cluster: names::inbound_cluster(port.target_port),
            stat_name: format!("inbound_{name}"),
            names: [name.clone(), name],
            service: Some(port),
        }
    }

    fn chains(&self, target: &Target<'_>) -> Vec<FilterChain> {
        mtls_chain::rows(target.mode, target.protocol)
            .iter()
            .map(|row| self.chain(target, row))
            .collect()
    }

    fn chain(&self, target: &Target<'_>, row: &Row) -> FilterChain {
        let transport = if row.tls { "tls" } else { "raw_buffer" };
        let filter = if row.http {
            self.http_to(target)
        } else {
            self.bytes_to(&target.cluster)
        };
        let [http_name, bytes_name] = &target.names;
        FilterChain {
            name: if row.http {
                http_name.clone()
            } else {
                bytes_name.clone()
            },
            filter_chain_match: Some(FilterChainMatch {
                destination_port: target.port.and_then(|port| number(u32::from(port))),
                transport_protocol: transport.to_owned(),
                application_protocols: crate::tls::strings(row.alpn),
                ..Default::default()
            }),
            filters: vec![filter],
            transport_socket: row.terminate.then(|| tls_socket(&self.mutual_tls())),
            ..Default::default()
        }
    }

    fn mutual_tls(
        &self,
    ) -> ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext {
        let mesh = self.snapshot.mesh();
        let domains = std::iter::once(&mesh.trust_domain).chain(&mesh.trust_domain_aliases);
        let known = domains
            .map(ferromesh_types::Str::as_str)
            .filter(|domain| !domain.is_empty());
        downstream::mutual(known, &[alpn::H2, alpn::HTTP11])
    }

    fn http_to(&self, target: &Target<'_>) -> Filter {
        let table = routes::table(
            &target.cluster,
            target.service.map_or(0, |service| service.port.port),
            target.protocol,
        );
        let log = self.access_log.clone();
        http_manager::with_routes(
            Place::Inbound,
            &target.stat_name,
            table,
            http_filter::runnable(target.protocol, self.view.dialect),
            log,
        )
    }

    fn bytes_to(&self, cluster: &str) -> Filter {
        tcp_proxy::to_cluster(
            cluster,
            &ConnectionLimits::default(),
            self.access_log.clone(),
        )
    }

    fn listener_filters(&self, chains: &[FilterChain]) -> Vec<ListenerFilter> {
        let mut filters = vec![listener_filter::original_destination()];
        if self.view.settings.transparent {
            filters.push(listener_filter::original_source());
        }
        filters.extend(inspector(
            listener_filter::tls_inspector(),
            chains,
            listener::needs_tls_inspection,
        ));
        filters.extend(inspector(
            listener_filter::http_inspector(),
            chains,
            listener::needs_http_inspection,
        ));
        filters
    }
}

/// The inspector, switched off where no chain needs it; `None` if none does anywhere.
fn inspector(
    filter: ListenerFilter,
    chains: &[FilterChain],
    needed: fn(&FilterChainMatch) -> bool,
) -> Option<ListenerFilter> {
    let mut with = BTreeSet::new();
    let mut without = BTreeSet::new();
    for condition in chains
        .iter()
        .filter_map(|chain| chain.filter_chain_match.as_ref())
    {
        let port = condition
            .destination_port
            .map_or(0, |port| port.value as u16);
        if needed(condition) {
            with.insert(port)
        } else {
            without.insert(port)
        };
    }
    if with.is_empty() {
        return None;
    }
    // Port 0 stands for the ports without chains of their own.
    if with.contains(&0) {
        let off: Vec<u16> = without.difference(&with).copied().collect();
        return Some(listener_filter::disabled_for(filter, &off));
    }
    let on: Vec<u16> = with.into_iter().collect();
    Some(listener_filter::enabled_only_for(filter, &on))
}
