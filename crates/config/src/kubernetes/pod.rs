//! Pod.

use ferromesh_types::Str;
use serde::Deserialize;

use crate::value::IntOrString;

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// What was asked for.
    pub spec: PodSpec,
    /// What there is.
    pub status: PodStatus,
}

impl Pod {
    /// Whether the condition `Ready` is true.
    pub fn is_ready(&self) -> bool {
        self.status
            .conditions
            .iter()
            .any(|c| c.r#type == "Ready" && c.status == "True")
    }

    /// Whether the pod has run to its end.
    pub fn is_finished(&self) -> bool {
        self.status.phase == "Succeeded" || self.status.phase == "Failed"
    }

    /// All addresses, the first one first.
    pub fn addresses(&self) -> Vec<Str> {
        if self.status.pod_ips.is_empty() {
            return Some(self.status.pod_ip.clone())
                .filter(|ip| !ip.is_empty())
                .into_iter()
                .collect();
        }
        self.status
            .pod_ips
            .iter()
            .map(|entry| entry.ip.clone())
            .collect()
    }
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Containers that run in order before the others; those with `restartPolicy: Always` stay.
    pub init_containers: Vec<Container>,
    /// Containers.
    pub containers: Vec<Container>,
    /// The service account; empty is `default`.
    pub service_account_name: Str,
    /// Older spelling of `serviceAccountName`.
    pub service_account: Str,
    /// The node that it runs on.
    pub node_name: Str,
    /// Its own host name.
    pub hostname: Str,
    /// The headless service below which its host name is found.
    pub subdomain: Str,
    /// Whether it has the node's network.
    pub host_network: bool,
    /// Seconds between the request to end and the kill; absent is 30.
    pub termination_grace_period_seconds: Option<u64>,
}

impl PodSpec {
    /// The service account.
    pub fn account(&self) -> Str {
        [&self.service_account_name, &self.service_account]
            .into_iter()
            .find(|name| !name.is_empty())
            .cloned()
            .unwrap_or_else(|| Str::from("default"))
    }
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name.
    pub name: Str,
    /// Its image.
    pub image: Str,
    /// `Always` on an init container makes it a sidecar.
    pub restart_policy: Str,
    /// Ports that it declares.
    pub ports: Vec<ContainerPort>,
    /// Gates traffic.
    pub readiness_probe: Option<Probe>,
    /// Restarts the container.
    pub liveness_probe: Option<Probe>,
    /// Holds the others back.
    pub startup_probe: Option<Probe>,
}

/// A port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Its name.
    pub name: Str,
    /// Its number.
    pub container_port: u16,
    /// `TCP` (also when empty), `UDP`, `SCTP`.
    pub protocol: Str,
}

/// A probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// An HTTP request.
    pub http_get: Option<HttpGetAction>,
    /// A TCP connection.
    pub tcp_socket: Option<PortAction>,
    /// A gRPC health check.
    pub grpc: Option<PortAction>,
    /// Seconds before the first check.
    pub initial_delay_seconds: u32,
    /// Seconds between checks; 0 is 10.
    pub period_seconds: u32,
    /// Seconds that a check may take; 0 is 1.
    pub timeout_seconds: u32,
    /// Successes before it counts; 0 is 1.
    pub success_threshold: u32,
    /// Failures before it counts; 0 is 3.
    pub failure_threshold: u32,
}

/// An HTTP request as probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpGetAction {
    /// Path.
    pub path: Str,
    /// Port, by number or name.
    pub port: Option<IntOrString>,
    /// Host header.
    pub host: Str,
    /// `HTTP` or `HTTPS`.
    pub scheme: Str,
}

/// A connection as probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PortAction {
    /// Port, by number or name.
    pub port: Option<IntOrString>,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: Str,
    /// The address.
    #[serde(rename = "podIP")]
    pub pod_ip: Str,
    /// The addresses of all families.
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    /// The node's address.
    #[serde(rename = "hostIP")]
    pub host_ip: Str,
    /// Conditions, `Ready` among them.
    pub conditions: Vec<Condition>,
    /// State of the containers.
    pub container_statuses: Vec<ContainerStatus>,
}

/// An address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodIp {
    /// The address.
    pub ip: Str,
}

/// A condition of a pod or node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Which one.
    pub r#type: Str,
    /// `True`, `False`, `Unknown`.
    pub status: Str,
    /// A word for the reason.
    pub reason: Str,
    /// A sentence.
    pub message: Str,
}

/// State of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Its name.
    pub name: Str,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: u32,
}
