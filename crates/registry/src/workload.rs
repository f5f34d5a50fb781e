//! A workload: something with an address that runs, a pod or a WorkloadEntry.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ferromesh_types::{ClusterId, Labels, Locality, Namespace, NetworkId, Str};

use crate::endpoint::{EndpointAddress, Health};

/// A running pod, or a WorkloadEntry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The pod's or WorkloadEntry's name.
    pub name: Str,
    /// Its namespace.
    pub namespace: Namespace,
    /// What owns it (the Deployment's name), else its own name.
    pub owner: Str,
    /// Where it is reached.
    pub address: EndpointAddress,
    /// Further addresses, of the other IP family.
    pub additional_addresses: Vec<IpAddr>,
    /// Its labels.
    pub labels: Labels,
    /// The service account; empty when unknown.
    pub service_account: Str,
    /// The SPIFFE ID as text; empty without service account.
    pub identity: Str,
    /// The Kubernetes node; empty when unknown.
    pub node: Str,
    /// Region, zone and sub-zone.
    pub locality: Locality,
    /// The network of its address.
    pub network: NetworkId,
    /// The cluster that it was found in.
    pub cluster: ClusterId,
    /// Named ports: container ports of a pod, `ports` of a WorkloadEntry.
    pub ports: BTreeMap<Str, u16>,
    /// Relative share of the traffic; at least 1.
    pub weight: u32,
    /// Whether its proxy accepts Istio mutual TLS.
    pub istio_mtls: bool,
    /// Whether it may get traffic.
    pub health: Health,
    /// The pod's `hostname`; empty if it has none.
    pub hostname: Str,
    /// The pod's `subdomain`; empty if it has none.
    pub subdomain: Str,
    /// Whether it comes from a WorkloadEntry.
    pub is_entry: bool,
    /// Whether it has its node's address, which is not its own.
    pub host_network: bool,
}

impl Workload {
    /// All its IP addresses.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.address
            .ip()
            .into_iter()
            .chain(self.additional_addresses.iter().copied())
    }

    /// Whether a proxy beside `other` would be told the same as beside this one, as far as the
    /// workload's own properties go.
    pub fn looks_like(&self, other: &Self) -> bool {
        (
            &self.namespace,
            &self.labels,
            &self.locality,
            &self.network,
            &self.node,
        ) == (
            &other.namespace,
            &other.labels,
            &other.locality,
            &other.network,
            &other.node,
        )
    }
}
