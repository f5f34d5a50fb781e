//! Route tables of a gateway: one per port for its plaintext servers, one per server with TLS.
//!
//! The virtual hosts are the hosts that a server and a VirtualService bound to its Gateway share.
//! Routes of several VirtualServices for one host are joined, oldest first; what takes everything
//! goes to the end, so that it hides nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, hash_map};

use ferromesh_model::{GatewayView, Scope, Snapshot, VirtualServiceEntry};

use super::route::{EncodedRoute, routes};
use super::scope::{RouteOwner, RouteScope};
use super::virtual_host::{Draft, table};
use crate::Resource;
use crate::gateway::{BoundServer, ServerKind, bound_servers};
use crate::lds::destinations::VisibleDestinations;

/// The table called `name`; empty if the name means nothing, since the proxy waits for it.
pub(super) fn route_table(snapshot: &Snapshot, view: &GatewayView, name: &str) -> Resource {
    let servers = servers_of(snapshot, view, name);
    let Some(first) = servers.first() else {
        return table(name, &[]);
    };
    let port = first.port;
    let scope = snapshot.scope(&view.outbound);
    let mut hosts = Hosts::default();
    for server in &servers {
        add_server(&mut hosts, snapshot, view, &scope, server);
    }
    let mut hosts = hosts.finish();
    if hosts.is_empty() {
        hosts.push(Draft {
            name: format!("blackhole:{port}"),
            domains: vec![Cow::Borrowed("*")],
            empty: true,
            ..Default::default()
        });
    }
    table(name, &hosts)
}

/// The servers whose requests use the table.
fn servers_of(snapshot: &Snapshot, view: &GatewayView, name: &str) -> Vec<BoundServer> {
    let mut found = Vec::new();
    for (address, servers) in bound_servers(snapshot, view) {
        let plaintext = address.http_table() == name;
        found.extend(servers.into_iter().filter(|server| match server.kind() {
            ServerKind::Http => plaintext,
            ServerKind::Https => server.https_table() == name,
            _ => false,
        }));
    }
    found
}

fn add_server(
    hosts: &mut Hosts,
    snapshot: &Snapshot,
    view: &GatewayView,
    scope: &Scope,
    server: &BoundServer,
) {
    let redirects = server
        .spec()
        .tls
        .as_ref()
        .is_some_and(|tls| tls.https_redirect);
    for entry in snapshot.routes_of_gateway(&server.reference(), &view.namespace) {
        let shared = server.shared_hosts(entry.declared.namespace(), &entry.hosts);
        if shared.is_empty() || entry.declared.spec.http.is_empty() {
            continue;
        }
        let routes = entry_routes(snapshot, view, scope, server, &entry);
        for host in shared {
            hosts.add(host.to_string(), server.port, &routes, redirects);
        }
    }
    // A server that only redirects needs no VirtualService.
    if redirects {
        for host in server.host_names() {
            hosts.add(host.to_string(), server.port, &[], true);
        }
    }
}

fn entry_routes(
    snapshot: &Snapshot,
    view: &GatewayView,
    scope: &Scope,
    server: &BoundServer,
    entry: &VirtualServiceEntry,
) -> Vec<EncodedRoute> {
    let destinations = VisibleDestinations {
        snapshot,
        view: &view.outbound,
        scope,
        listener_port: None,
    };
    let gateway = server.reference();
    let scope = RouteScope {
        gateways: std::slice::from_ref(&gateway),
        port: server.port,
        labels: &view.outbound.labels,
        source_namespace: view.outbound.source_namespace.as_ref(),
        default_retries: snapshot.mesh().default_http_retry_policy.as_ref(),
        domain: &snapshot.settings().domain,
        destinations: &destinations,
    };
    routes(RouteOwner::of(entry), &entry.declared.spec, &scope)
}

/// Virtual hosts by host name.
#[derive(Default)]
struct Hosts {
    by_name: BTreeMap<String, Draft<'static>>,
}

impl Hosts {
    /// Adds routes behind those that the host has. Two servers of one Gateway may bring the same
    /// routes; they count once.
    fn add(&mut self, host: String, port: u16, routes: &[EncodedRoute], redirects: bool) {
        let draft = self.by_name.entry(host.clone()).or_insert_with(|| Draft {
            name: format!("{host}:{port}"),
            domains: vec![Cow::Owned(host)],
            ..Default::default()
        });
        for route in routes {
            if !draft.routes.contains(route) {
                draft.routes.push(route.clone());
            }
        }
        draft.redirects_to_https |= redirects;
    }

    /// Hosts with the same routes become one virtual host with several domains.
    fn finish(self) -> Vec<Draft<'static>> {
        let mut joined: Vec<Draft<'static>> = Vec::new();
        let mut places: HashMap<(Vec<EncodedRoute>, bool), usize> = HashMap::new();
        for mut host in self.by_name.into_values() {
            host.routes.sort_by_key(|route| route.catch_all);
            match places.entry((host.routes.clone(), host.redirects_to_https)) {
                hash_map::Entry::Occupied(known) => {
                    joined[*known.get()].domains.append(&mut host.domains);
                }
                hash_map::Entry::Vacant(place) => {
                    place.insert(joined.len());
                    joined.push(host);
                }
            }
        }
        joined
    }
}
