//! Narrowing a scope by the `egress` of a Sidecar.
//!
//! A host entry is `namespace/name`, where the namespace is a name, `.` (the proxy's own), `*` or
//! `~` (none), and the name a host or a wildcard. The services that an imported VirtualService
//! leads to are imported with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferromesh_config::kind::sidecar::EgressListener;
use ferromesh_registry::Service;
use ferromesh_types::{Hostname, Namespace, Str};

use super::EgressScope;
use crate::index::service::sort_services;
use crate::index::virtual_service::VirtualServiceEntry;

/// One entry of `hosts`.
struct Import {
    /// `None` is any namespace.
    namespace: Option<Namespace>,
    host: Hostname,
}

impl Import {
    /// Reads an entry; `None` if it imports nothing.
    fn parse(text: &Str, own: &Namespace) -> Option<Self> {
        let (namespace, host) = text.split_once('/').unwrap_or(("*", text.as_str()));
        let namespace = match namespace {
            "~" => return None,
            "*" => None,
            "." => Some(own.clone()),
            name => Some(Namespace::from(name)),
        };
        Some(Self {
            namespace,
            host: Hostname::from(host),
        })
    }

    fn is_from(&self, namespace: &Namespace) -> bool {
        self.namespace
            .as_ref()
            .is_none_or(|wanted| wanted == namespace)
    }
}

/// The scopes of the listeners, those with a port first.
pub(super) fn narrow(
    listeners: &[EgressListener],
    namespace: &Namespace,
    services: &[Arc<Service>],
    routes: &[Arc<VirtualServiceEntry>],
) -> Vec<EgressScope> {
    let mut scopes: Vec<EgressScope> = listeners
        .iter()
        .map(|listener| narrow_one(listener, namespace, services, routes))
        .collect();
    scopes.sort_by_key(|scope| {
        scope
            .listener
            .as_ref()
            .is_none_or(|listener| listener.port.is_none())
    });
    scopes
}

fn narrow_one(
    listener: &EgressListener,
    namespace: &Namespace,
    services: &[Arc<Service>],
    routes: &[Arc<VirtualServiceEntry>],
) -> EgressScope {
    let imports: Vec<Import> = listener
        .hosts
        .iter()
        .filter_map(|text| Import::parse(text, namespace))
        .collect();
    let routes: Vec<_> = routes
        .iter()
        .filter(|route| {
            imports.iter().any(|import| {
                import.is_from(route.declared.namespace())
                    && route.hosts.iter().any(|host| {
                        host.is_covered_by(&import.host) || import.host.is_covered_by(host)
                    })
            })
        })
        .cloned()
        .collect();
    let destinations: BTreeSet<&Hostname> = routes
        .iter()
        .flat_map(|route| &route.destinations)
        .collect();
    // With a port, the listener knows the services that have this port.
    let port = listener
        .port
        .as_ref()
        .map(|port| port.number)
        .filter(|number| *number != 0);
    let mut chosen: BTreeMap<&Hostname, &Arc<Service>> = BTreeMap::new();
    for service in services {
        let imported = imports.iter().any(|import| {
            import.is_from(&service.namespace) && service.hostname.is_covered_by(&import.host)
        });
        let has_port = port.is_none_or(|number| service.port(number).is_some());
        if (imported && has_port) || destinations.contains(&service.hostname) {
            chosen.insert(&service.hostname, service);
        }
    }
    let mut services: Vec<_> = chosen.into_values().cloned().collect();
    sort_services(&mut services);
    EgressScope::new(Some(listener.clone()), services, routes)
}
