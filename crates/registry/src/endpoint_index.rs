//! The endpoints of all services, and the way back from an address to the services it serves.
//!
//! An index is an immutable value: a change of one service's endpoints makes a new index that
//! shares everything else with the old one.

use std::net::IpAddr;
use std::sync::Arc;

use ferromesh_types::{Hostname, Namespace, Str};

use crate::{ServiceEndpoints, ServiceKey, SharedMap};

/// A service port that the workload at some address serves: what its own proxy receives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundInstance {
    /// The service's host name.
    pub hostname: Hostname,
    /// The service's namespace.
    pub namespace: Namespace,
    /// The name of the service port.
    pub service_port: Str,
    /// The port that the workload listens on.
    pub port: u16,
}

/// Endpoints by service, and services by endpoint address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointIndex {
    by_service: SharedMap<ServiceKey, Arc<ServiceEndpoints>>,
    by_address: SharedMap<IpAddr, Arc<Vec<InboundInstance>>>,
}

impl EndpointIndex {
    /// The endpoints of a service; `None` when it has none.
    pub fn of(&self, service: &ServiceKey) -> Option<&Arc<ServiceEndpoints>> {
        self.by_service.get(service)
    }

    /// The service ports that the workload at `address` serves, sorted; those of services that are
    /// not ready are included.
    pub fn at(&self, address: IpAddr) -> &[InboundInstance] {
        self.by_address
            .get(&address)
            .map_or(&[], |instances| instances.as_slice())
    }

    /// All services with endpoints, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&ServiceKey, &Arc<ServiceEndpoints>)> {
        self.by_service.iter()
    }

    /// How many parts two indices do not share (the cost of the change between them).
    pub fn unshared(&self, other: &Self) -> usize {
        self.by_service.unshared(&other.by_service) + self.by_address.unshared(&other.by_address)
    }

    /// Replaces the endpoints of one service. Gives back the addresses whose instances changed.
    pub fn replace(&mut self, key: &ServiceKey, endpoints: ServiceEndpoints) -> Vec<IpAddr> {
        let new = instances(key, &endpoints);
        let old = self
            .by_service
            .get(key)
            .map(|old| instances(key, old))
            .unwrap_or_default();
        if endpoints.endpoints.is_empty() {
            self.by_service.remove(key);
        } else {
            self.by_service.insert(key.clone(), Arc::new(endpoints));
        }
        let mut touched = Vec::new();
        for (address, instance) in old.iter().filter(|entry| new.binary_search(entry).is_err()) {
            self.drop_instance(*address, instance);
            touched.push(*address);
        }
        for (address, instance) in new.iter().filter(|entry| old.binary_search(entry).is_err()) {
            self.add_instance(*address, instance);
            touched.push(*address);
        }
        touched
    }

    fn drop_instance(&mut self, address: IpAddr, instance: &InboundInstance) {
        let Some(known) = self.by_address.get(&address) else {
            return;
        };
        let rest: Vec<_> = known.iter().filter(|i| *i != instance).cloned().collect();
        if rest.is_empty() {
            self.by_address.remove(&address);
        } else {
            self.by_address.insert(address, Arc::new(rest));
        }
    }

    fn add_instance(&mut self, address: IpAddr, instance: &InboundInstance) {
        let mut all = self
            .by_address
            .get(&address)
            .map(|a| a.to_vec())
            .unwrap_or_default();
        if let Err(at) = all.binary_search(instance) {
            all.insert(at, instance.clone());
            self.by_address.insert(address, Arc::new(all));
        }
    }
}

/// The pairs of address and instance that the endpoints stand for, sorted, each once.
fn instances(key: &ServiceKey, endpoints: &ServiceEndpoints) -> Vec<(IpAddr, InboundInstance)> {
    let mut found: Vec<_> = endpoints
        .endpoints
        .iter()
        .flat_map(|endpoint| {
            let instance = InboundInstance {
                hostname: key.hostname.clone(),
                namespace: key.namespace.clone(),
                service_port: endpoint.service_port.clone(),
                port: endpoint.port,
            };
            endpoint
                .address
                .ip()
                .into_iter()
                .chain(endpoint.additional_addresses.iter().copied())
                .map(move |address| (address, instance.clone()))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
