//! Service.

use ferromesh_types::{Protocol, Selector, Str};
use serde::Deserialize;

use crate::value::IntOrString;

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// What was asked for.
    pub spec: ServiceSpec,
    /// What there is.
    pub status: ServiceStatus,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// Labels of the pods; empty: endpoints come from elsewhere.
    pub selector: Selector,
    /// The virtual address; `None` for headless services, empty when not assigned.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Str,
    /// The virtual addresses of all families.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<Str>,
    /// The type.
    pub r#type: ServiceType,
    /// The name that an ExternalName service stands for.
    pub external_name: Str,
    /// Addresses outside.
    #[serde(rename = "externalIPs")]
    pub external_ips: Vec<Str>,
    /// Whether endpoints count before they are ready.
    pub publish_not_ready_addresses: bool,
    /// `Local` or `Cluster`.
    pub internal_traffic_policy: Str,
    /// `PreferSameZone`, `PreferSameNode`, `PreferClose`.
    pub traffic_distribution: Str,
    /// `ClientIP` or `None`.
    pub session_affinity: Str,
}

impl ServiceSpec {
    /// Whether the service has no virtual address by choice.
    pub fn is_headless(&self) -> bool {
        self.cluster_ip == "None"
    }
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Its name.
    pub name: Str,
    /// `TCP` (also when empty), `UDP`, `SCTP`.
    pub protocol: Str,
    /// The application protocol that is declared.
    pub app_protocol: Option<Str>,
    /// The number that clients use.
    pub port: u16,
    /// The number or name at the pod; absent is the same number.
    pub target_port: Option<IntOrString>,
    /// The number on each node.
    pub node_port: Option<u16>,
}

impl ServicePort {
    /// The protocol by Istio's rules.
    pub fn protocol(&self) -> Protocol {
        Protocol::of_service_port(&self.protocol, self.app_protocol.as_deref(), &self.name)
    }
}

/// Types of services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum ServiceType {
    /// Reachable inside.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// Reachable on each node.
    NodePort,
    /// Reachable through a load balancer.
    LoadBalancer,
    /// Another name in DNS.
    ExternalName,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// Of the load balancer.
    pub load_balancer: LoadBalancerStatus,
}

/// Of the load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerStatus {
    /// Its addresses.
    pub ingress: Vec<LoadBalancerIngress>,
}

/// An address of the load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerIngress {
    /// As IP address.
    pub ip: Str,
    /// As host name.
    pub hostname: Str,
}
