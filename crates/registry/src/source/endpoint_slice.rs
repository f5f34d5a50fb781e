//! Endpoints and EndpointSlice objects: endpoints that somebody else has computed.
//!
//! Where the pod behind an address is known, the endpoint carries its labels and identity; else it
//! is an address and nothing more.

use std::net::IpAddr;

use ferromesh_config::kubernetes::{EndpointSlice, Endpoints};
use ferromesh_types::{Namespace, Str};

use super::endpoint_of;
use crate::Workload;
use crate::endpoint::{Endpoint, EndpointAddress, Health};
use crate::settings::RegistrySettings;

/// Names the service of a slice.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// An address, before the pod behind it is looked up.
struct Found<'a> {
    address: EndpointAddress,
    health: Health,
    hostname: &'a Str,
    node: &'a Str,
}

/// What the functions need to know besides the object.
pub(crate) struct Surroundings<'a, F: Fn(IpAddr) -> Option<Workload>> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) settings: &'a RegistrySettings,
    /// The pod at an address.
    pub(crate) pod: F,
    /// The service publishes endpoints that are not ready.
    pub(crate) publish_not_ready: bool,
}

impl<F: Fn(IpAddr) -> Option<Workload>> Surroundings<'_, F> {
    /// The endpoints of an EndpointSlice.
    pub(crate) fn of_slice(&self, slice: &EndpointSlice) -> Vec<Endpoint> {
        let mut found = Vec::new();
        for endpoint in &slice.endpoints {
            let Some(address) = endpoint.addresses.first() else {
                continue;
            };
            let conditions = &endpoint.conditions;
            let health = if conditions.terminating == Some(true) {
                Health::Terminating
            } else if conditions.ready == Some(false) && !self.publish_not_ready {
                Health::Unhealthy
            } else {
                Health::Healthy
            };
            let at = Found {
                address: EndpointAddress::parse(address),
                health,
                hostname: &endpoint.hostname,
                node: &endpoint.node_name,
            };
            let ports = slice
                .ports
                .iter()
                .filter_map(|port| Some((&port.name, port.port?)));
            found.extend(ports.map(|(name, port)| self.endpoint(&at, name, port)));
        }
        found
    }

    /// The endpoints of an Endpoints object.
    pub(crate) fn of_endpoints(&self, endpoints: &Endpoints) -> Vec<Endpoint> {
        let mut found = Vec::new();
        for subset in &endpoints.subsets {
            let unready = if self.publish_not_ready {
                Health::Healthy
            } else {
                Health::Unhealthy
            };
            let ready = subset
                .addresses
                .iter()
                .map(|address| (address, Health::Healthy));
            let rest = subset
                .not_ready_addresses
                .iter()
                .map(|address| (address, unready));
            for (address, health) in ready.chain(rest) {
                let at = Found {
                    address: EndpointAddress::parse(&address.ip),
                    health,
                    hostname: &address.hostname,
                    node: &address.node_name,
                };
                let ports = subset.ports.iter();
                found.extend(ports.map(|port| self.endpoint(&at, &port.name, port.port)));
            }
        }
        found
    }

    fn endpoint(&self, at: &Found<'_>, name: &Str, port: u16) -> Endpoint {
        let pod = at.address.ip().and_then(|ip| (self.pod)(ip));
        let known = pod.unwrap_or_else(|| self.bare(at));
        let mut endpoint = endpoint_of(&known, name, port);
        endpoint.health = at.health;
        if !at.hostname.is_empty() {
            endpoint.hostname = at.hostname.clone();
        }
        endpoint
    }

    /// A workload of which nothing is known but the address.
    fn bare(&self, at: &Found<'_>) -> Workload {
        let entry = ferromesh_config::kind::workload_entry::WorkloadEntry {
            address: at.address.to_string().into(),
            ..Default::default()
        };
        let unnamed = Str::default();
        let mut workload =
            super::workload_entry::inline(&entry, &unnamed, self.namespace, self.settings)
                .expect("the entry has an address");
        workload.node = at.node.clone();
        workload.is_entry = false;
        workload
    }
}
