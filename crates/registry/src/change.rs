//! What one batch of object changes did to the registry.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::ServiceKey;

/// The services, endpoints and workloads that a batch touched. Values that were rebuilt but came
/// out equal are not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryChange {
    /// Services that came, went, or whose definition (ports, addresses, …) is different.
    pub services: BTreeSet<ServiceKey>,
    /// Services whose endpoint list is different.
    pub endpoints: BTreeSet<ServiceKey>,
    /// The subset of `endpoints` where the set of identities or of TLS abilities is different:
    /// clusters name these.
    pub identities: BTreeSet<ServiceKey>,
    /// Addresses of workloads that came, went, or carry other labels, ports or services than
    /// before: the proxies there must be looked at again.
    pub workloads: BTreeSet<IpAddr>,
}

impl RegistryChange {
    /// Whether nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.endpoints.is_empty() && self.workloads.is_empty()
    }

    /// Adds what another batch touched.
    pub fn merge(&mut self, other: Self) {
        self.services.extend(other.services);
        self.endpoints.extend(other.endpoints);
        self.identities.extend(other.identities);
        self.workloads.extend(other.workloads);
    }
}
