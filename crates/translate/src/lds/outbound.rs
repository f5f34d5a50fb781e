//! Outbound listeners of a sidecar.
//!
//! Redirected connections keep the address that the application asked for, and a listener exists
//! per address or port that means something to the mesh:
//!
//! * HTTP on port P: one listener `0.0.0.0_P` for all services, routed by host name;
//! * TCP to a service with an address: `ADDRESS_PORT`;
//! * TCP to a headless service: one listener per member;
//! * TCP without an address: `0.0.0.0_PORT`, told apart by server name or address block;
//! * undeclared protocol: as TCP, with a chain for what turns out to be HTTP.
//!
//! Of two services that claim the same place, the older one has it. An egress listener of a Sidecar
//! with a port has that place to itself; with an address it takes the place of the services' own,
//! and with `captureMode: NONE` applications connect to it without redirection.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ferromesh_config::kind::sidecar::CaptureMode;
use ferromesh_model::{EgressScope, GatewayRef, ListenerView, OutboundView, Scope, Snapshot};
use ferromesh_proto::envoy::config::accesslog::v3::AccessLog;
use ferromesh_proto::envoy::config::core::v3::TrafficDirection;
use ferromesh_proto::envoy::config::listener::v3::{FilterChain, FilterChainMatch};
use ferromesh_registry::{Resolution, Service, ServicePort, TargetPort};
use ferromesh_types::Protocol;

use super::destinations::VisibleDestinations;
use super::http_manager::{self, Place};
use super::layer4::{Chain, Layer4};
use super::listener;
use super::tcp_proxy::{self, ConnectionLimits};
use crate::rds::scope::{RouteScope, Target};
use crate::unknown_traffic::UnknownTraffic;
use crate::value::{cidr, duration, no_limit};
use crate::{Resource, access_log, names};

/// All outbound listeners with the virtual one, by name.
pub(super) fn listeners(snapshot: &Snapshot, view: &ListenerView) -> Vec<Resource> {
    let scope = snapshot.scope(&view.outbound);
    let maker = Maker {
        snapshot,
        view,
        scope: &scope,
        access_log: access_log::of_traffic(snapshot.mesh()),
    };
    let mut places = Places::new();
    for egress in &scope.egress {
        maker.place_egress(&mut places, egress);
    }
    let mut all: Vec<Resource> = places
        .into_iter()
        .map(|((bind, port), entry)| maker.build(&bind, port, entry))
        .collect();
    if !view.outbound.settings.no_interception {
        all.push(super::virtual_outbound::listener(
            snapshot,
            &view.outbound,
            &scope,
        ));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// What has been claimed of one address and port.
#[derive(Default)]
struct Entry {
    /// The route table of the HTTP chain, if there is one.
    http: Option<(String, Protocol)>,
    /// Chains for some connections.
    chains: Vec<Chain>,
    /// The chain for all other connections.
    rest: Option<Chain>,
    /// Further addresses of the same service.
    more: Vec<String>,
    /// Whether applications connect to it by themselves.
    binds: bool,
    /// Whether a listener of a Sidecar with this port has it to itself.
    locked: bool,
}

impl Entry {
    fn add(&mut self, chains: Vec<Chain>) {
        for chain in chains {
            if !chain.is_for_all() {
                self.chains.push(chain);
            } else if self.rest.is_none() {
                self.rest = Some(chain);
            }
        }
    }

    /// Whether bytes were claimed already.
    fn has_layer4(&self) -> bool {
        self.rest.is_some() || !self.chains.is_empty()
    }
}

struct Maker<'a> {
    snapshot: &'a Snapshot,
    view: &'a ListenerView,
    scope: &'a Scope,
    access_log: Vec<AccessLog>,
}

type Places = BTreeMap<(String, u16), Entry>;

/// One egress listener, as its services are placed.
struct Listening<'a> {
    egress: &'a EgressScope,
    /// The address that takes the place of the services' own.
    bind: Option<String>,
    /// Whether applications connect to it by themselves.
    binds: bool,
}

impl Listening<'_> {
    /// The route table of a port: that of a Unix socket is called like it.
    fn table(&self, port: u16) -> String {
        match self.bind.as_deref() {
            Some(bind) if bind.starts_with("unix://") => bind.to_owned(),
            _ => port.to_string(),
        }
    }

    /// The entry of a place, unless it is another's.
    fn open<'p>(&self, places: &'p mut Places, bind: &str, port: u16) -> Option<&'p mut Entry> {
        let bind = self.bind.as_deref().unwrap_or(bind);
        let port = if bind.starts_with("unix://") { 0 } else { port };
        let entry = places.entry((bind.to_owned(), port)).or_default();
        if entry.locked {
            return None;
        }
        entry.binds = self.binds;
        Some(entry)
    }
}

impl Maker<'_> {
    /// Claims the places of one egress listener. Those with a port come first, and have it to
    /// themselves: the listener for all ports claims what is left.
    fn place_egress(&self, places: &mut Places, egress: &EgressScope) {
        if egress
            .bind()
            .is_some_and(|bind| !super::can_bind(bind, self.outbound().dialect))
        {
            return;
        }
        let listener = egress.listener.as_ref();
        let captures = !self.outbound().settings.no_interception;
        let mode = listener.map_or(CaptureMode::Default, |listener| listener.capture_mode);
        let binds = !captures || mode == CaptureMode::None;
        let loopback = || super::loopback(self.outbound().ip_family).to_owned();
        let listening = Listening {
            egress,
            bind: match egress.bind() {
                Some(bind) => Some(bind.to_owned()),
                None => (binds && egress.port().is_some()).then(loopback),
            },
            binds,
        };
        if egress.port().is_none() {
            // Without redirection only what a Sidecar places somewhere can be bound.
            if binds && listening.bind.is_none() {
                return;
            }
            for entry in places.values_mut() {
                entry.locked = true;
            }
        }
        let services = egress.services.iter();
        for service in services.filter(|service| service.resolution != Resolution::Alias) {
            match listener.and_then(|listener| listener.port.as_ref()) {
                Some(own) => {
                    let port = ServicePort {
                        name: own.name.clone(),
                        port: own.number,
                        target_port: TargetPort::Number(own.number),
                        protocol: own.protocol(),
                    };
                    if own.number == 0 || service.port(own.number).is_some() {
                        self.place(places, &listening, service, &port);
                    }
                }
                None => {
                    for port in &service.ports {
                        self.place(places, &listening, service, port);
                    }
                }
            }
        }
    }

    fn outbound(&self) -> &OutboundView {
        &self.view.outbound
    }

    /// The address that stands for all.
    fn wildcard(&self) -> &'static str {
        super::wildcard(self.outbound().ip_family)
    }

    /// Claims the places of one service port.
    fn place(
        &self,
        places: &mut Places,
        listening: &Listening<'_>,
        service: &Service,
        port: &ServicePort,
    ) {
        if port.protocol.is_http() {
            if let Some(entry) = listening.open(places, self.wildcard(), port.port) {
                let table = listening.table(port.port);
                entry.http.get_or_insert((table, port.protocol));
            }
        } else if port.protocol.is_tcp() || port.protocol.is_auto() {
            self.place_bytes(places, listening, service, port);
        }
    }

    fn place_bytes(
        &self,
        places: &mut Places,
        listening: &Listening<'_>,
        service: &Service,
        port: &ServicePort,
    ) {
        let addresses = service.addresses_for(self.outbound().settings.dns_capture);
        let hosts: Vec<IpAddr> = addresses
            .iter()
            .filter(|net| net.prefix_len() == net.max_prefix_len())
            .map(ipnet_address)
            .filter(|ip| self.reaches(*ip))
            .collect();
        if let (None, [first, more @ ..]) = (&listening.bind, hosts.as_slice()) {
            let Some(entry) = listening.open(places, &first.to_string(), port.port) else {
                return;
            };
            if entry.has_layer4() {
                return;
            }
            entry.more = more.iter().map(ToString::to_string).collect();
            self.claim(entry, listening, (service, port), Vec::new(), true);
        } else if service.headless && listening.bind.is_none() {
            self.place_members(places, listening, service, port);
        } else {
            // At an address of its own the service's addresses are never asked for.
            let blocks = addresses
                .iter()
                .filter(|_| listening.bind.is_none())
                .map(|net| cidr(net.network(), net.prefix_len()))
                .collect();
            if let Some(entry) = listening.open(places, self.wildcard(), port.port) {
                self.claim(entry, listening, (service, port), blocks, false);
            }
        }
    }

    fn reaches(&self, ip: IpAddr) -> bool {
        self.outbound().ip_family.reaches(ip)
    }

    /// One listener per member of a headless service; the proxy itself is not among them.
    fn place_members(
        &self,
        places: &mut Places,
        listening: &Listening<'_>,
        service: &Service,
        port: &ServicePort,
    ) {
        let Some(endpoints) = self.snapshot.endpoints().of(&service.key()) else {
            return;
        };
        let members = endpoints
            .of_port(&port.name)
            .filter_map(|endpoint| endpoint.address.ip())
            .filter(|ip| self.reaches(*ip) && !self.view.own_addresses.contains(ip));
        for ip in members {
            let entry = listening.open(places, &ip.to_string(), port.port);
            if let Some(entry) = entry.filter(|entry| !entry.has_layer4()) {
                self.claim(entry, listening, (service, port), Vec::new(), true);
            }
        }
    }

    /// Adds the chains of a service port. On an address of its own, what turns out to be HTTP has a
    /// route table of its own.
    fn claim(
        &self,
        entry: &mut Entry,
        listening: &Listening<'_>,
        (service, port): (&Service, &ServicePort),
        blocks: Vec<ferromesh_proto::envoy::config::core::v3::CidrRange>,
        own_address: bool,
    ) {
        if port.protocol.is_auto() {
            let table = if own_address {
                format!("{}:{}", service.hostname, port.port)
            } else {
                listening.table(port.port)
            };
            entry.http.get_or_insert((table, Protocol::Auto));
        }
        entry.add(self.chains(listening.egress, (service, port), blocks, own_address));
    }

    fn chains(
        &self,
        egress: &EgressScope,
        (service, port): (&Service, &ServicePort),
        blocks: Vec<ferromesh_proto::envoy::config::core::v3::CidrRange>,
        own_address: bool,
    ) -> Vec<Chain> {
        let outbound = self.outbound();
        let destinations = VisibleDestinations {
            snapshot: self.snapshot,
            view: outbound,
            scope: self.scope,
            listener_port: Some(port.port),
        };
        let scope = RouteScope {
            gateways: &[GatewayRef::Mesh],
            port: port.port,
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
        let entry = egress
            .virtual_service(&service.hostname)
            .filter(|e| e.has_layer4);
        let mut chains = entry
            .map(|entry| layer4.tls_chains(entry))
            .unwrap_or_default();
        if let Some(entry) = entry {
            let tcp = layer4.tcp_chains(entry);
            chains.extend(tcp);
        }
        if chains.is_empty() || (port.protocol.is_auto() && !chains.iter().any(Chain::is_for_all)) {
            let target = Target {
                host: service.hostname.clone(),
                subset: ferromesh_types::Str::default(),
                port: port.port,
            };
            // TLS to a service without an address is told apart by its server name.
            let by_name = !own_address && blocks.is_empty() && port.protocol.is_tls();
            chains.push(Chain {
                server_names: by_name
                    .then(|| service.hostname.to_string())
                    .into_iter()
                    .collect(),
                destinations: blocks,
                filters: layer4.direct(&target),
                ..Default::default()
            });
        }
        chains
    }

    fn build(&self, bind: &str, port: u16, entry: Entry) -> Resource {
        let mut built = if entry.binds {
            let name = names::listener(bind, port);
            listener::bound(name, bind, port, TrafficDirection::Outbound)
        } else {
            listener::redirected(bind, port)
        };
        let both = bind == "0.0.0.0" && self.outbound().ip_family.has_v6();
        let more = if both {
            &["::".to_owned()]
        } else {
            entry.more.as_slice()
        };
        listener::more_addresses(&mut built, more, port);
        let settings = &self.outbound().settings;
        let mut chains: Vec<FilterChain> = entry.chains.into_iter().map(Chain::build).collect();
        if let Some((table, protocol)) = entry.http {
            chains.push(self.http_chain(&built.name, table, protocol, settings.http10));
        }
        // Nobody knows where a connection wants to go that was not redirected.
        let unclaimed = (!entry.binds).then(|| self.unclaimed());
        let rest = entry.rest.map(Chain::build).or(unclaimed);
        listener::set_chains(&mut built, chains, rest);
        listener::inspect(&mut built);
        built.continue_on_listener_filters_timeout = true;
        let waits = built
            .listener_filters
            .iter()
            .any(|filter| filter.name.ends_with("http_inspector"));
        let detection = self.snapshot.mesh().protocol_detection_timeout;
        built.listener_filters_timeout = if waits {
            Some(duration(*detection))
        } else {
            no_limit()
        };
        built.access_log = access_log::of_listener(self.snapshot.mesh());
        listener::finish(&built)
    }

    fn http_chain(
        &self,
        listener_name: &str,
        table: String,
        protocol: Protocol,
        http10: bool,
    ) -> FilterChain {
        let stat_name = format!("outbound_{listener_name}");
        let log = self.access_log.clone();
        let manager = http_manager::with_rds(Place::Outbound, &stat_name, table, protocol, log);
        FilterChain {
            filter_chain_match: Some(listener::plaintext_http(http10)),
            ..Chain {
                filters: vec![manager],
                ..Default::default()
            }
            .build()
        }
    }

    /// Connections that nobody claimed: through, or nowhere.
    fn unclaimed(&self) -> FilterChain {
        let unknown = UnknownTraffic::of(self.snapshot, self.scope);
        FilterChain {
            filter_chain_match: Some(FilterChainMatch::default()),
            filters: vec![tcp_proxy::to_cluster(
                unknown.cluster(),
                &ConnectionLimits::default(),
                self.access_log.clone(),
            )],
            name: "PassthroughFilterChain".to_owned(),
            ..Default::default()
        }
    }
}

fn ipnet_address(net: &ipnet::IpNet) -> IpAddr {
    net.addr()
}
