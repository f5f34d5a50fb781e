//! Limits of connections and requests, and ejection of endpoints that fail.

use serde::Deserialize;

use crate::value::Duration;

/// Limits of connections and requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionPoolSettings {
    /// For all protocols.
    pub tcp: Option<TcpSettings>,
    /// For HTTP.
    pub http: Option<HttpSettings>,
}

/// Limits of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpSettings {
    /// Most connections to the destination; 0 is the default, 2^32-1.
    pub max_connections: u32,
    /// Limit of connecting; absent is the mesh's `connectTimeout`.
    pub connect_timeout: Option<Duration>,
    /// Keep-alive probes of the kernel.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// The longest life of a connection.
    pub max_connection_duration: Option<Duration>,
    /// How long a connection may be idle; absent is one hour.
    pub idle_timeout: Option<Duration>,
}

/// Keep-alive probes; absent values are the kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpKeepalive {
    /// Probes without answer before the connection counts as dead.
    pub probes: u32,
    /// Idle time before the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}

/// Limits of requests. Zero is the default in all counts, 2^32-1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Most requests that wait for a connection.
    pub http1_max_pending_requests: u32,
    /// Most requests in flight.
    pub http2_max_requests: u32,
    /// Most requests over one connection; 1 switches keep-alive off.
    pub max_requests_per_connection: u32,
    /// Most retries in flight.
    pub max_retries: u32,
    /// How long a connection may be idle; absent is one hour.
    pub idle_timeout: Option<Duration>,
    /// Whether HTTP/1.1 is carried over HTTP/2.
    pub h2_upgrade_policy: H2UpgradePolicy,
    /// Use the protocol of the client.
    pub use_client_protocol: bool,
    /// Most streams of one HTTP/2 connection.
    pub max_concurrent_streams: u32,
}

/// Whether HTTP/1.1 is carried over HTTP/2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// The mesh's default.
    #[default]
    Default,
    /// No.
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}

/// Ejection of endpoints that fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// Older spelling of `consecutive5xxErrors`; without effect in Istio as well.
    pub consecutive_errors: u32,
    /// Count failures of connecting apart from error responses.
    pub split_external_local_origin_errors: bool,
    /// Failures of connecting before ejection; absent is 5.
    pub consecutive_local_origin_failures: Option<u32>,
    /// 502, 503, 504 in a row before ejection; absent or 0 is off.
    pub consecutive_gateway_errors: Option<u32>,
    /// 5xx in a row before ejection; absent is 5, 0 is off.
    #[serde(rename = "consecutive5xxErrors")]
    pub consecutive_5xx_errors: Option<u32>,
    /// Time between two looks; absent is 10 s.
    pub interval: Option<Duration>,
    /// Length of the first ejection; absent is 30 s.
    pub base_ejection_time: Option<Duration>,
    /// Most endpoints ejected at a time in percent; 0 is the default, 10.
    pub max_ejection_percent: u32,
    /// Below this share of healthy endpoints nothing is ejected; 0 is off.
    pub min_health_percent: u32,
}
