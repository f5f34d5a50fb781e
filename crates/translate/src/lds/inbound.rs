//! `virtualInbound`: where connections to the workload arrive, whatever their port.
//!
//! The chains in order: a guard against loops, the ports that nobody claims, then each port that the
//! sidecar receives traffic for. Within a port the rows of `mtls_chain` apply. What a Sidecar wants
//! bound (`captureMode: NONE`) is a listener of its own.

use std::collections::BTreeSet;

use ferromesh_config::kind::gateway::ServerTlsSettings;
use ferromesh_model::{InboundView, MtlsMode, Snapshot};
use ferromesh_proto::envoy::config::accesslog::v3::AccessLog;
use ferromesh_proto::envoy::config::core::v3::{TrafficDirection, TransportSocket};
use ferromesh_proto::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter,
};
use ferromesh_types::Protocol;

use super::http_manager::{self, Place};
use super::mtls_chain::{self, Row};
use super::tcp_proxy::{self, ConnectionLimits};
use super::{listener, listener_filter, server_tls, virtual_outbound};
use crate::rds::inbound as routes;
use crate::received::{ReceivedPort, received_ports};
use crate::tls::{alpn, downstream, tls_socket};
use crate::value::{duration, flag, no_limit, number};
use crate::{Resource, access_log, names};

/// The inbound listeners: the one for redirected connections, unless nothing is redirected, and
/// those that are bound.
pub(super) fn listeners(snapshot: &Snapshot, view: &InboundView) -> Vec<Resource> {
    let maker = Maker {
        snapshot,
        view,
        access_log: access_log::of_traffic(snapshot.mesh()),
    };
    let received = received_ports(snapshot, view);
    let captures = !view.settings.no_interception;
    let binds = |port: &ReceivedPort<'_>| port.binds() || (!captures && port.ingress.is_some());
    let (bound, captured): (Vec<_>, Vec<_>) = received.iter().partition(|port| binds(port));
    let virtual_inbound = captures.then(|| maker.listener(&captured));
    virtual_inbound
        .into_iter()
        .chain(bound.into_iter().map(|port| maker.bound(port)))
        .map(|listener| listener::finish(&listener))
        .collect()
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
    /// The port that clients mean; 0 where nobody claims it.
    client_port: u16,
    /// TLS that the sidecar ends for clients outside of the mesh.
    own_tls: Option<&'a ServerTlsSettings>,
}

impl Maker<'_> {
    fn listener(&self, ports: &[&ReceivedPort<'_>]) -> Listener {
        let mesh = self.snapshot.mesh();
        let port = mesh.proxy_inbound_listen_port;
        let mut chains = vec![self.loop_guard(port)];
        let claimed = ports
            .iter()
            .filter(|port| port.protocol != Protocol::Udp)
            .map(|port| self.claimed_port(port));
        for target in self.unclaimed(ports).into_iter().chain(claimed) {
            chains.extend(self.chains(&target));
        }
        let mut filters = vec![listener_filter::original_destination()];
        if self.view.settings.transparent {
            filters.push(listener_filter::original_source());
        }
        let mut built = listener::bound(
            names::VIRTUAL_INBOUND.to_owned(),
            super::wildcard(self.view.ip_family),
            port,
            TrafficDirection::Inbound,
        );
        self.serve(&mut built, chains, filters);
        if self.view.settings.transparent {
            built.transparent = flag(true);
        }
        if self.view.settings.inbound_exact_balance {
            built.connection_balance_config = Some(virtual_outbound::exact_balance());
        }
        built
    }

    /// A listener that clients reach without redirection.
    fn bound(&self, port: &ReceivedPort<'_>) -> Listener {
        let wildcard = super::wildcard(self.view.ip_family);
        let own = self.view.own_addresses.first().map(ToString::to_string);
        let bind = match port.ingress.map(|ingress| ingress.bind.as_str()) {
            Some(bind) if !bind.is_empty() => bind,
            _ => own.as_deref().unwrap_or(wildcard),
        };
        let target = Target {
            port: None,
            ..self.claimed_port(port)
        };
        let name = names::listener(bind, port.port);
        let mut built = listener::bound(name, bind, port.port, TrafficDirection::Inbound);
        let chains = self.chains(&target);
        self.serve(&mut built, chains, Vec::new());
        built
    }

    /// Puts chains and the inspectors that they need in.
    fn serve(
        &self,
        built: &mut Listener,
        chains: Vec<FilterChain>,
        mut filters: Vec<ListenerFilter>,
    ) {
        let mesh = self.snapshot.mesh();
        filters.extend(inspectors(&chains));
        let waits = filters
            .iter()
            .any(|filter| filter.name.ends_with("http_inspector"));
        built.filter_chains = chains;
        built.listener_filters = filters;
        built.continue_on_listener_filters_timeout = true;
        built.listener_filters_timeout = if waits {
            Some(duration(*mesh.protocol_detection_timeout))
        } else {
            no_limit()
        };
        built.access_log = access_log::of_listener(mesh);
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

    /// Ports that nobody claims: all of them, and single ones with a mode of their own.
    fn unclaimed(&self, ports: &[&ReceivedPort<'_>]) -> Vec<Target<'static>> {
        let claimed: BTreeSet<u16> = ports.iter().map(|port| port.port).collect();
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
                client_port: 0,
                own_tls: None,
            })
            .collect()
    }

    fn claimed_port<'a>(&self, port: &ReceivedPort<'a>) -> Target<'a> {
        let name = port.chain_name(self.view, super::wildcard(self.view.ip_family));
        Target {
            port: Some(port.port),
            protocol: port.protocol,
            mode: self.view.authentication.of_port(port.port),
            cluster: names::inbound_cluster(port.port),
            stat_name: format!("inbound_{name}"),
            names: [name.clone(), name],
            client_port: port.client_port(),
            own_tls: port.ingress.and_then(|ingress| ingress.tls.as_ref()),
        }
    }

    /// The chains of a port. TLS of its own takes the place of mutual TLS where that is off.
    fn chains(&self, target: &Target<'_>) -> Vec<FilterChain> {
        if let Some(own) = target.own_tls
            && target.mode == MtlsMode::Disable
        {
            let row = mtls_chain::own_tls(target.protocol);
            if !server_tls::is_spoken(own, self.view.dialect) {
                // Nobody is let in rather than in plaintext.
                let nowhere = Target {
                    cluster: names::BLACK_HOLE.to_owned(),
                    names: target.names.clone(),
                    stat_name: target.stat_name.clone(),
                    own_tls: None,
                    ..*target
                };
                let passed = Row {
                    http: false,
                    terminate: false,
                    ..row
                };
                return vec![self.chain(&nowhere, &passed)];
            }
            return vec![self.chain(target, &row)];
        }
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
            transport_socket: row.terminate.then(|| self.terminate(target)),
            ..Default::default()
        }
    }

    fn terminate(&self, target: &Target<'_>) -> TransportSocket {
        match target.own_tls {
            Some(own) if target.mode == MtlsMode::Disable => {
                tls_socket(&server_tls::context(own, self.snapshot.mesh()))
            }
            _ => tls_socket(&self.mutual_tls()),
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
        let table = routes::table(&target.cluster, target.client_port, target.protocol);
        let log = self.access_log.clone();
        http_manager::with_routes(
            Place::Inbound,
            &target.stat_name,
            table,
            target.protocol,
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
}

/// The inspectors that the chains need.
fn inspectors(chains: &[FilterChain]) -> impl Iterator<Item = ListenerFilter> {
    let tls = inspector(
        listener_filter::tls_inspector(),
        chains,
        listener::needs_tls_inspection,
    );
    let http = inspector(
        listener_filter::http_inspector(),
        chains,
        listener::needs_http_inspection,
    );
    tls.into_iter().chain(http)
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
