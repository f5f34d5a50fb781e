//! Services by key and by host name.

use std::sync::Arc;

use ferromesh_registry::{Provider, Service, ServiceKey, SharedMap};
use ferromesh_types::{Hostname, Namespace};

use crate::distinction::ServiceDistinction;

/// All services of the mesh.
#[derive(Clone, Debug, Default)]
pub struct ServiceIndex {
    by_host: SharedMap<Hostname, Arc<Vec<Arc<Service>>>>,
}

impl ServiceIndex {
    /// The services of this host name in all namespaces, most important first: Kubernetes Services
    /// before ServiceEntries, then the oldest.
    pub fn of_host(&self, host: &Hostname) -> &[Arc<Service>] {
        self.by_host
            .get(host)
            .map_or(&[], |services| services.as_slice())
    }

    /// The service of this host name declared in this namespace.
    pub fn of(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.of_host(&key.hostname)
            .iter()
            .find(|service| service.namespace == key.namespace)
    }

    /// The service of this host name that a client in `namespace` means: the one of its own
    /// namespace, else the most important one that it may see.
    pub fn visible(&self, host: &Hostname, namespace: Option<&Namespace>) -> Option<&Arc<Service>> {
        let candidates = self.of_host(host);
        if let Some(namespace) = namespace
            && let Some(own) = candidates
                .iter()
                .find(|service| service.namespace == *namespace)
            && own.visibility.reaches(namespace)
        {
            return Some(own);
        }
        candidates.iter().find(|service| match namespace {
            Some(namespace) => service.visibility.reaches(namespace),
            None => service.visibility.is_public(),
        })
    }

    /// All host names, in no particular order.
    pub fn hosts(&self) -> impl Iterator<Item = &Hostname> {
        self.by_host.keys()
    }

    /// All services, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.by_host.values().flat_map(|services| services.iter())
    }

    /// How many host names there are.
    pub fn len(&self) -> usize {
        self.by_host.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_host.is_empty()
    }

    /// How many parts two indices do not share: the cost of the change between them.
    pub fn unshared(&self, other: &Self) -> usize {
        self.by_host.unshared(&other.by_host)
    }

    /// What the services say about who sees a mesh of their own.
    pub(crate) fn distinction(&self) -> ServiceDistinction {
        let mut facts = ServiceDistinction::default();
        for services in self.by_host.values() {
            facts.add(services);
        }
        facts
    }

    /// Puts the service that the registry now has under `key`.
    pub(crate) fn replace(&mut self, key: &ServiceKey, service: Option<Arc<Service>>) {
        let mut all: Vec<Arc<Service>> = self.of_host(&key.hostname).to_vec();
        all.retain(|known| known.namespace != key.namespace);
        all.extend(service);
        all.sort_by(|a, b| {
            let rank =
                |service: &Service| (service.provider != Provider::Kubernetes, service.created);
            (rank(a), &a.namespace).cmp(&(rank(b), &b.namespace))
        });
        if all.is_empty() {
            self.by_host.remove(&key.hostname);
        } else {
            self.by_host.insert(key.hostname.clone(), Arc::new(all));
        }
    }
}

/// The order in which services claim listeners: the oldest first, then by host, then by namespace.
pub(crate) fn sort_services(services: &mut [Arc<Service>]) {
    services.sort_by(|a, b| {
        (a.created, &a.hostname, &a.namespace).cmp(&(b.created, &b.hostname, &b.namespace))
    });
}
