//! The names and defaults that the registry applies to what it reads.

use ferromesh_types::{ClusterId, Namespace, Str};

use crate::Visibility;

/// Names and defaults; a change of them means reading all objects again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// The DNS domain of the cluster, `cluster.local`.
    pub domain: Str,
    /// The cluster that the objects come from.
    pub cluster: ClusterId,
    /// The trust domain of SPIFFE IDs (`trustDomain` of the mesh config).
    pub trust_domain: Str,
    /// Who sees a service without `exportTo` (`defaultServiceExportTo`).
    pub service_visibility: Visibility,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            domain: "cluster.local".into(),
            cluster: ClusterId::from("Kubernetes"),
            trust_domain: "cluster.local".into(),
            service_visibility: Visibility::Public,
        }
    }
}

impl RegistrySettings {
    /// The SPIFFE ID of a service account, as text.
    pub fn identity(&self, namespace: &Namespace, account: &str) -> Str {
        if account.is_empty() {
            return Str::default();
        }
        format!("spiffe://{}/ns/{namespace}/sa/{account}", self.trust_domain).into()
    }
}
