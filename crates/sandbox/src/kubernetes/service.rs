//! Services.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Metadata, PortRef};

/// A service as the sandbox reads it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Metadata.
    pub metadata: Metadata,
    /// What it stands for.
    pub spec: ServiceSpec,
}

/// What a service stands for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// `ClusterIP` (also when empty), `NodePort`, `LoadBalancer`, `ExternalName`.
    pub r#type: String,
    /// The address; `None` makes it headless.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// Labels of its pods; empty selects none.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// The name that an `ExternalName` service points to.
    pub external_name: String,
    /// Whether pods that are not ready are listed too.
    pub publish_not_ready_addresses: bool,
    /// The wanted load balancer address.
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: String,
}

/// One port of a service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Name.
    pub name: String,
    /// Port that clients use.
    pub port: u16,
    /// Port of the pod; absent is the same.
    pub target_port: Option<PortRef>,
    /// `TCP`, `UDP`; empty is TCP.
    pub protocol: String,
}

/// One address of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LoadBalancerIngress {
    /// The address.
    pub ip: String,
}

impl ServiceSpec {
    /// Whether the service has no address of its own.
    pub fn is_headless(&self) -> bool {
        self.cluster_ip == "None"
    }

    /// Whether the service is a mere alias.
    pub fn is_external_name(&self) -> bool {
        self.r#type == "ExternalName"
    }

    /// Whether the service has an address outside the cluster.
    pub fn is_load_balancer(&self) -> bool {
        self.r#type == "LoadBalancer"
    }

    /// Whether a pod with `labels` belongs to the service.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.selector.is_empty()
            && self
                .selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
    }
}
