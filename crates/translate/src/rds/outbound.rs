//! Route tables of a sidecar: one per HTTP port, and one per address of a service whose protocol
//! is detected.
//!
//! A table holds a virtual host per service with that port. A service whose host a VirtualService
//! names gets its routes, others get one route to themselves. Hosts of a VirtualService that are no
//! service are added where one of its other hosts is, or on port 80.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ferromesh_config::kind::virtual_service::RouteSemantics;
use ferromesh_model::{EgressScope, GatewayRef, RouteView, Scope, Snapshot, VirtualServiceEntry};
use ferromesh_proto::envoy::config::route::v3::{
    DirectResponseAction, RouteAction, route::Action, route_action::HashPolicy,
};
use ferromesh_registry::{Resolution, Service};
use ferromesh_types::Hostname;

use super::action;
use super::domains;
use super::retry;
use super::route::{EncodedRoute, RouteTemplate, routes};
use super::scope::{Destinations, RouteOwner, RouteScope};
use super::virtual_host::{Draft, catch_all, settle_domains, table};
use crate::lds::destinations::VisibleDestinations;
use crate::unknown_traffic::UnknownTraffic;
use crate::{Resource, names};

/// The port on which hosts without a service are known.
const HTTP_PORT: u16 = 80;

/// The status for requests to unknown hosts in REGISTRY_ONLY.
const BAD_GATEWAY: u32 = 502;

/// The table called `name`; empty if the name means nothing, since the proxy waits for it.
pub(super) fn route_table(snapshot: &Snapshot, view: &RouteView, name: &str) -> Resource {
    let scope = snapshot.scope(&view.outbound);
    if let Ok(port) = name.parse() {
        let Some(egress) = scope.egress_of_port(port) else {
            return table(name, &[]);
        };
        let maker = Maker::new(snapshot, view, (&scope, egress), port);
        let mut hosts = maker.virtual_hosts();
        hosts.push(maker.rest());
        return table(name, &hosts);
    }
    if name.starts_with("unix://") {
        return table(name, &of_socket(snapshot, view, &scope, name));
    }
    let own = name
        .rsplit_once(':')
        .and_then(|(_, port)| {
            let port = port.parse().ok()?;
            Some((port, scope.egress_of_port(port)?))
        })
        .map(|(port, egress)| {
            let maker = Maker::new(snapshot, view, (&scope, egress), port);
            let hosts = maker.virtual_hosts();
            hosts
                .into_iter()
                .filter(|host| host.name == name)
                .map(|host| Draft {
                    domains: vec![Cow::Borrowed("*")],
                    ..host
                })
                .collect::<Vec<_>>()
        });
    table(name, &own.unwrap_or_default())
}

/// The hosts that are called over a Unix socket: all ports share it, so of two ports of a service
/// the lower one is meant.
fn of_socket<'a>(
    snapshot: &'a Snapshot,
    view: &'a RouteView,
    scope: &'a Scope,
    bind: &str,
) -> Vec<Draft<'a>> {
    let Some(egress) = scope.egress_at(bind) else {
        return Vec::new();
    };
    let ports: BTreeSet<u16> = egress
        .services
        .iter()
        .flat_map(|service| &service.ports)
        .map(|port| port.port)
        .collect();
    let mut hosts = Vec::new();
    let mut rest = None;
    for port in ports {
        let maker = Maker::new(snapshot, view, (scope, egress), port);
        hosts.extend(maker.virtual_hosts());
        rest.get_or_insert_with(|| maker.rest());
    }
    settle_domains(&mut hosts, &HashSet::new());
    hosts.extend(rest);
    hosts
}

/// The route of a service that no VirtualService speaks of.
fn plain_route(snapshot: &Snapshot, hash_policy: Vec<HashPolicy>) -> RouteTemplate {
    let mesh_retries = snapshot.mesh().default_http_retry_policy.as_ref();
    let retries = retry::policy(None, mesh_retries, false);
    let action = RouteAction {
        hash_policy,
        ..action::to_cluster(String::new(), Duration::ZERO, retries)
    };
    RouteTemplate::new("default", &action)
}

struct Maker<'a> {
    snapshot: &'a Snapshot,
    view: &'a RouteView,
    scope: &'a Scope,
    egress: &'a EgressScope,
    port: u16,
    plain: RouteTemplate,
}

impl<'a> Maker<'a> {
    fn new(
        snapshot: &'a Snapshot,
        view: &'a RouteView,
        (scope, egress): (&'a Scope, &'a EgressScope),
        port: u16,
    ) -> Self {
        Self {
            snapshot,
            view,
            scope,
            egress,
            port,
            plain: plain_route(snapshot, Vec::new()),
        }
    }

    /// The services with this port and a protocol that may be HTTP, and the aliases.
    fn services(&self) -> impl Iterator<Item = &'a Arc<Service>> {
        let port = self.port;
        self.egress.services.iter().filter(move |service| {
            service
                .port(port)
                .is_some_and(|p| p.protocol.is_http() || p.protocol.is_auto())
        })
    }

    /// All virtual hosts but the last, by name.
    fn virtual_hosts(&self) -> Vec<Draft<'a>> {
        let mut hosts = Vec::new();
        let mut by_service: HashMap<*const VirtualServiceEntry, Vec<&'a Arc<Service>>> =
            HashMap::new();
        for service in self.services() {
            match self.egress.virtual_service(&service.hostname) {
                Some(entry) if !entry.declared.spec.http.is_empty() => {
                    by_service
                        .entry(Arc::as_ptr(entry))
                        .or_default()
                        .push(service);
                }
                _ if service.resolution == Resolution::Alias => {}
                _ => hosts.push(self.plain_host(service)),
            }
        }
        for entry in &self.egress.virtual_services {
            let services = by_service.remove(&Arc::as_ptr(entry)).unwrap_or_default();
            hosts.extend(self.routed_hosts(entry, &services));
        }
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        hosts.dedup_by(|later, first| later.name == first.name);
        let full_names: HashSet<&str> = self
            .services()
            .filter(|service| service.resolution != Resolution::Alias)
            .map(|service| service.hostname.as_str())
            .collect();
        settle_domains(&mut hosts, &full_names);
        hosts
    }

    /// A service without VirtualService: everything to itself.
    fn plain_host(&self, service: &'a Service) -> Draft<'a> {
        let cluster = names::outbound_cluster(self.port, "", &service.hostname);
        let hash_policy = self
            .destinations()
            .hash_policy(&service.hostname, "", self.port);
        let route = if hash_policy.is_empty() {
            self.plain.to(&cluster)
        } else {
            plain_route(self.snapshot, hash_policy).to(&cluster)
        };
        self.service_host(service, vec![route])
    }

    /// The hosts of a VirtualService on this port.
    fn routed_hosts(
        &self,
        entry: &'a VirtualServiceEntry,
        services: &[&'a Arc<Service>],
    ) -> Vec<Draft<'a>> {
        let unknown = self.hosts_without_service(entry);
        let concerned = !services.is_empty() || (self.port == HTTP_PORT && !unknown.is_empty());
        if !concerned || entry.declared.spec.http.is_empty() {
            return Vec::new();
        }
        let routes = self.routes(entry);
        if routes.is_empty() {
            return services
                .iter()
                .filter(|service| service.resolution != Resolution::Alias)
                .map(|service| self.plain_host(service))
                .collect();
        }
        let known = services
            .iter()
            .map(|service| self.service_host(service, routes.clone()));
        let unknown = unknown.into_iter().map(|host| Draft {
            name: format!("{host}:{}", self.port),
            domains: vec![Cow::Borrowed(host.as_str())],
            routes: routes.clone(),
            ..Default::default()
        });
        known.chain(unknown).collect()
    }

    /// Hosts of the VirtualService that stand for no service with this port. Routes of the Gateway
    /// API are attached to services alone.
    fn hosts_without_service<'b>(&self, entry: &'b VirtualServiceEntry) -> Vec<&'b Hostname> {
        if entry.declared.spec.semantics == RouteSemantics::GatewayApi {
            return Vec::new();
        }
        let has_port = |host: &Hostname| {
            self.scope
                .service(host)
                .is_some_and(|service| service.port(self.port).is_some())
        };
        entry
            .hosts
            .iter()
            .filter(|host| {
                if host.is_wildcard() {
                    !self
                        .services()
                        .any(|service| service.hostname.is_covered_by(host))
                } else {
                    !has_port(host)
                }
            })
            .collect()
    }

    fn service_host(&self, service: &'a Service, routes: Vec<EncodedRoute>) -> Draft<'a> {
        Draft {
            name: format!("{}:{}", service.hostname, self.port),
            domains: domains::of_service(service, self.view, self.scope),
            routes,
            ..Default::default()
        }
    }

    fn routes(&self, entry: &VirtualServiceEntry) -> Vec<EncodedRoute> {
        let outbound = &self.view.outbound;
        let scope = RouteScope {
            gateways: &[GatewayRef::Mesh],
            port: self.port,
            labels: &outbound.labels,
            source_namespace: outbound.source_namespace.as_ref(),
            default_retries: self.snapshot.mesh().default_http_retry_policy.as_ref(),
            domain: &self.snapshot.settings().domain,
            destinations: &self.destinations(),
        };
        routes(RouteOwner::of(entry), &entry.declared.spec, &scope)
    }

    fn destinations(&self) -> VisibleDestinations<'_> {
        VisibleDestinations {
            snapshot: self.snapshot,
            view: &self.view.outbound,
            scope: self.scope,
            listener_port: Some(self.port),
        }
    }

    /// Requests to hosts that nobody knows.
    fn rest(&self) -> Draft<'a> {
        let (name, cluster) = match UnknownTraffic::of(self.snapshot, self.scope) {
            UnknownTraffic::Refused => {
                let answer = DirectResponseAction {
                    status: BAD_GATEWAY,
                    ..Default::default()
                };
                return catch_all("block_all", Action::DirectResponse(answer));
            }
            UnknownTraffic::Resolved => ("allow_any_dynamic_dns", names::DYNAMIC_DNS.to_owned()),
            UnknownTraffic::Passed => ("allow_any", names::PASSTHROUGH.to_owned()),
            UnknownTraffic::Handed(cluster) => ("allow_any", cluster),
        };
        catch_all(
            name,
            Action::Route(action::to_cluster(cluster, Duration::ZERO, None)),
        )
    }
}
