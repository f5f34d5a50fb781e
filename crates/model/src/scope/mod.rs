//! A scope: the services, routes and rules that a circle of proxies sees.
//!
//! Scopes are made from a snapshot on demand and kept with it, one per [`ScopeKey`]. Without a
//! Sidecar a scope is everything visible; a Sidecar narrows it, listener by listener.
//!
//! [`ScopeKey`]: crate::ScopeKey

mod egress;

use std::collections::HashMap;
use std::sync::Arc;

use ferromesh_config::kind::sidecar::{EgressListener, Sidecar};
use ferromesh_registry::Service;
use ferromesh_types::{Hostname, Namespace};

use crate::declared::Declared;
use crate::index::service::sort_services;
use crate::index::virtual_service::{GatewayRef, VirtualServiceEntry};
use crate::{ScopeKey, Snapshot};

/// One egress listener of a Sidecar, with what it knows. Without a Sidecar there is one, for all
/// ports.
#[derive(Clone, Debug)]
pub struct EgressScope {
    /// What the Sidecar says about the listener; `None` without a Sidecar.
    pub listener: Option<EgressListener>,
    /// Its services, oldest first, one per host name.
    pub services: Vec<Arc<Service>>,
    /// Its VirtualServices, most important first.
    pub virtual_services: Vec<Arc<VirtualServiceEntry>>,
    routes: Arc<HostTable>,
}

impl EgressScope {
    fn new(
        listener: Option<EgressListener>,
        services: Vec<Arc<Service>>,
        virtual_services: Vec<Arc<VirtualServiceEntry>>,
    ) -> Self {
        Self {
            listener,
            services,
            routes: Arc::new(HostTable::new(&virtual_services)),
            virtual_services,
        }
    }

    /// The port of the listener; `None` for all ports.
    pub fn port(&self) -> Option<u16> {
        let port = self.listener.as_ref()?.port.as_ref()?;
        Some(port.number)
    }

    /// The address that the listener is to be bound to, if the Sidecar names one.
    pub fn bind(&self) -> Option<&str> {
        let bind = self.listener.as_ref()?.bind.as_str();
        (!bind.is_empty()).then_some(bind)
    }

    /// The VirtualService for requests to `host`, as [`Scope::virtual_service`] finds it.
    pub fn virtual_service(&self, host: &Hostname) -> Option<&Arc<VirtualServiceEntry>> {
        let at = self.routes.of_host(host)?;
        Some(&self.virtual_services[at])
    }
}

/// What a circle of proxies sees.
#[derive(Debug)]
pub struct Scope {
    /// What the scope was made for.
    pub key: ScopeKey,
    /// The Sidecar that narrows it.
    pub sidecar: Option<Arc<Declared<Sidecar>>>,
    /// Its egress listeners, those with a port first; at least one.
    pub egress: Vec<EgressScope>,
    services: Vec<Arc<Service>>,
    by_host: HashMap<Hostname, usize>,
    virtual_services: Vec<Arc<VirtualServiceEntry>>,
    routes: Arc<HostTable>,
}

impl Scope {
    /// Makes the scope for `key`.
    pub(crate) fn new(snapshot: &Snapshot, key: &ScopeKey) -> Self {
        let namespace = key.namespace.as_ref();
        let visible = visible_services(snapshot, namespace);
        let routes = snapshot
            .virtual_services()
            .bound_to(&GatewayRef::Mesh, namespace);
        let sidecar = key
            .sidecar
            .as_ref()
            .and_then(|key| snapshot.sidecars().by_key(key))
            .cloned();
        let egress = match (&sidecar, namespace) {
            (Some(sidecar), Some(namespace)) if !sidecar.spec.egress.is_empty() => {
                egress::narrow(&sidecar.spec.egress, namespace, &visible, &routes)
            }
            _ => vec![EgressScope::new(None, visible, routes)],
        };
        Self::of_egress(key.clone(), sidecar, egress)
    }

    fn of_egress(
        key: ScopeKey,
        sidecar: Option<Arc<Declared<Sidecar>>>,
        egress: Vec<EgressScope>,
    ) -> Self {
        let (services, virtual_services) = match &egress[..] {
            [only] => (only.services.clone(), only.virtual_services.clone()),
            several => (united_services(several), united_routes(several)),
        };
        let by_host = services
            .iter()
            .enumerate()
            .map(|(at, s)| (s.hostname.clone(), at))
            .collect();
        let routes = match &egress[..] {
            [only] => Arc::clone(&only.routes),
            _ => Arc::new(HostTable::new(&virtual_services)),
        };
        Self {
            key,
            sidecar,
            egress,
            services,
            by_host,
            virtual_services,
            routes,
        }
    }

    /// The egress listener for connections to a port: the one with this port, else the one for all.
    pub fn egress_of_port(&self, port: u16) -> Option<&EgressScope> {
        let mut listeners = self.egress.iter();
        listeners.find(|listener| match listener.port() {
            Some(own) => own == port && port != 0,
            None => true,
        })
    }

    /// The egress listener that is bound to this address.
    pub fn egress_at(&self, bind: &str) -> Option<&EgressScope> {
        let mut listeners = self.egress.iter();
        listeners.find(|listener| listener.bind() == Some(bind))
    }

    /// All services, oldest first, one per host name.
    pub fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    /// The service of this host name.
    pub fn service(&self, host: &Hostname) -> Option<&Arc<Service>> {
        self.by_host.get(host).map(|&at| &self.services[at])
    }

    /// The VirtualServices for sidecars, most important first.
    pub fn virtual_services(&self) -> &[Arc<VirtualServiceEntry>] {
        &self.virtual_services
    }

    /// The VirtualService for requests to `host`: the one with exactly that host, else with the
    /// longest wildcard.
    pub fn virtual_service(&self, host: &Hostname) -> Option<&Arc<VirtualServiceEntry>> {
        self.routes
            .of_host(host)
            .map(|at| &self.virtual_services[at])
    }
}

/// VirtualServices by host; of several with one host the first counts.
#[derive(Debug, Default)]
struct HostTable {
    exact: HashMap<Hostname, usize>,
    /// Longest first.
    wildcard: Vec<(Hostname, usize)>,
}

impl HostTable {
    fn new(entries: &[Arc<VirtualServiceEntry>]) -> Self {
        let mut table = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            for host in &entry.hosts {
                if !host.is_wildcard() {
                    table.exact.entry(host.clone()).or_insert(at);
                } else if !table.wildcard.iter().any(|(known, _)| known == host) {
                    table.wildcard.push((host.clone(), at));
                }
            }
        }
        table
            .wildcard
            .sort_by_key(|(host, _)| std::cmp::Reverse(host.as_str().len()));
        table
    }

    fn of_host(&self, host: &Hostname) -> Option<usize> {
        self.exact.get(host).copied().or_else(|| {
            self.wildcard
                .iter()
                .find(|(known, _)| host.is_covered_by(known))
                .map(|(_, at)| *at)
        })
    }
}

fn visible_services(snapshot: &Snapshot, namespace: Option<&Namespace>) -> Vec<Arc<Service>> {
    let index = snapshot.services();
    let mut services: Vec<_> = index
        .hosts()
        .filter_map(|host| index.visible(host, namespace))
        .cloned()
        .collect();
    sort_services(&mut services);
    services
}

fn united_services(egress: &[EgressScope]) -> Vec<Arc<Service>> {
    let mut seen = HashMap::new();
    for service in egress.iter().flat_map(|listener| &listener.services) {
        seen.entry(service.hostname.clone())
            .or_insert_with(|| service.clone());
    }
    let mut services: Vec<_> = seen.into_values().collect();
    sort_services(&mut services);
    services
}

fn united_routes(egress: &[EgressScope]) -> Vec<Arc<VirtualServiceEntry>> {
    let mut routes: Vec<Arc<VirtualServiceEntry>> = Vec::new();
    for entry in egress
        .iter()
        .flat_map(|listener| &listener.virtual_services)
    {
        if !routes.iter().any(|known| Arc::ptr_eq(known, entry)) {
            routes.push(entry.clone());
        }
    }
    routes
}
