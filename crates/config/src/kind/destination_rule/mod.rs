//! `DestinationRule`: what happens after routing: subsets, balancing, pools, ejection, TLS.

pub(crate) mod check;
mod connection_pool;
mod load_balancer;
mod load_balancer_check;
mod tls;

use ferromesh_types::{Hostname, Selector, Str};
use serde::Deserialize;

use crate::kind::virtual_service::PortSelector;
use crate::value::LabelSelector;

pub use connection_pool::{
    ConnectionPoolSettings, H2UpgradePolicy, HttpSettings, OutlierDetection, TcpKeepalive,
    TcpSettings,
};
pub use load_balancer::{
    ConsistentHashLb, CookieAttribute, HttpCookie, LoadBalancerSettings, LocalityDistribute,
    LocalityFailover, LocalityLbSetting, MagLev, RingHash, SimpleLb, Warmup,
};
pub use tls::{ClientTlsMode, ClientTlsSettings};

/// Settings for the traffic to one host.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DestinationRule {
    /// The host; short names belong to the object's namespace; wildcards are allowed.
    pub host: Hostname,
    /// Settings for all subsets.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of the service.
    pub subsets: Vec<Subset>,
    /// Namespaces that may see it (`.`, `*`, names); empty means the mesh's default.
    pub export_to: Vec<Str>,
    /// The client workloads that it is for; absent is all.
    pub workload_selector: Option<LabelSelector>,
}

/// A named part of a service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Subset {
    /// Its name.
    pub name: Str,
    /// Labels that its endpoints carry.
    pub labels: Selector,
    /// Settings that replace those of the rule, section by section.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// Settings of traffic to a host or subset.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficPolicy {
    /// The choice of an endpoint.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// Ejection of endpoints that fail.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the endpoints.
    pub tls: Option<ClientTlsSettings>,
    /// Settings of single ports; they replace the sections above as a whole.
    pub port_level_settings: Vec<PortTrafficPolicy>,
    /// Tunnel TCP through CONNECT or POST.
    pub tunnel: Option<TunnelSettings>,
    /// Send a PROXY protocol header.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Limit of retries as a share of the requests in flight.
    pub retry_budget: Option<RetryBudget>,
}

/// Settings of one port.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortTrafficPolicy {
    /// The port of the service.
    pub port: Option<PortSelector>,
    /// The choice of an endpoint.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// Ejection of endpoints that fail.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the endpoints.
    pub tls: Option<ClientTlsSettings>,
}

/// A tunnel for TCP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TunnelSettings {
    /// `CONNECT` (default) or `POST`.
    pub protocol: Str,
    /// The host that the tunnel leads to.
    pub target_host: Str,
    /// The port that the tunnel leads to.
    pub target_port: u16,
}

/// The PROXY protocol towards the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyProtocol {
    /// The version of the header.
    pub version: ProxyProtocolVersion,
}

/// Versions of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum ProxyProtocolVersion {
    /// Text.
    #[default]
    V1,
    /// Binary.
    V2,
}

/// Limit of retries as a share of the requests in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryBudget {
    /// The share in percent; absent is 20.
    pub percent: Option<Percentage>,
    /// Retries that are always allowed; absent is 3.
    pub min_retry_concurrency: u32,
}

/// A share written as a bare number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Percentage(pub f64);
