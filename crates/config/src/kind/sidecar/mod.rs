//! `Sidecar`: what a sidecar listens on and which services it knows.

use ferromesh_types::Str;
mod check;

use serde::Deserialize;

use crate::kind::destination_rule::ConnectionPoolSettings;
use crate::kind::gateway::{ServerPort, ServerTlsSettings};
use crate::kind::virtual_service::Destination;
use crate::value::WorkloadLabels;

/// The scope of some sidecars.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Sidecar {
    /// The workloads that it is for; absent is the whole namespace.
    pub workload_selector: Option<WorkloadLabels>,
    /// Inbound listeners; none means one per port of the workload's services.
    pub ingress: Vec<IngressListener>,
    /// Outbound listeners with the services that they know.
    pub egress: Vec<EgressListener>,
    /// Limits of inbound connections.
    pub inbound_connection_pool: Option<ConnectionPoolSettings>,
    /// What happens to traffic for unknown destinations.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
}

/// An inbound listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressListener {
    /// The port.
    pub port: Option<ServerPort>,
    /// The address to bind; empty is the workload's.
    pub bind: Str,
    /// How traffic gets to the listener.
    pub capture_mode: CaptureMode,
    /// Where the application listens: `127.0.0.1:PORT`, `0.0.0.0:PORT`, `[::1]:PORT` or `unix:///`.
    pub default_endpoint: Str,
    /// TLS that the sidecar ends for clients outside the mesh.
    pub tls: Option<ServerTlsSettings>,
    /// Limits of connections on this port.
    pub connection_pool: Option<ConnectionPoolSettings>,
}

/// An outbound listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EgressListener {
    /// The port; absent is all ports of the hosts.
    pub port: Option<ServerPort>,
    /// The address to bind.
    pub bind: Str,
    /// How traffic gets to the listener.
    pub capture_mode: CaptureMode,
    /// The services as `namespace/host`, where the namespace may be `.`, `*` or `~`.
    pub hosts: Vec<Str>,
}

/// How traffic gets to a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptureMode {
    /// As the workload is set up.
    #[default]
    Default,
    /// By redirection.
    Iptables,
    /// Applications connect to it by themselves.
    None,
}

/// What happens to traffic for unknown destinations.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutboundTrafficPolicy {
    /// The rule.
    pub mode: OutboundTrafficMode,
    /// A proxy that takes the traffic instead (declared by the API, ALLOW_ANY only).
    pub egress_proxy: Option<Destination>,
}

/// The rule for unknown destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundTrafficMode {
    /// Refuse.
    #[default]
    RegistryOnly,
    /// Let through.
    AllowAny,
    /// Let through; HTTP hosts are resolved by the proxy.
    AllowAnyDynamicDns,
}
