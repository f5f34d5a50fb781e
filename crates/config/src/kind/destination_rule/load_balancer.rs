//! The choice of an endpoint: algorithm, hash keys, localities, warm-up.

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;

use crate::value::Duration;

/// How endpoints are chosen. At most one of `simple` and `consistent_hash` is set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancerSettings {
    /// An algorithm without memory.
    pub simple: Option<SimpleLb>,
    /// The same endpoint for the same key.
    pub consistent_hash: Option<ConsistentHashLb>,
    /// Preference of localities; replaces the mesh's setting.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// Older spelling of `warmup.duration`.
    pub warmup_duration_secs: Option<Duration>,
    /// Slow start of new endpoints.
    pub warmup: Option<Warmup>,
}

/// Algorithms without memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLb {
    /// The mesh's default: least request.
    #[default]
    Unspecified,
    /// Old name of least request.
    LeastConn,
    /// Any endpoint.
    Random,
    /// The address that the client asked for.
    Passthrough,
    /// One after the other.
    RoundRobin,
    /// The one with fewer requests in flight out of two.
    LeastRequest,
}

/// What the hash is made of, and the ring. Exactly one key is set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConsistentHashLb {
    /// A request header.
    pub http_header_name: Option<Str>,
    /// A cookie, made when absent if it has a lifetime.
    pub http_cookie: Option<HttpCookie>,
    /// The client's address.
    pub use_source_ip: Option<bool>,
    /// A query parameter.
    pub http_query_parameter_name: Option<Str>,
    /// A ring with points for each endpoint.
    pub ring_hash: Option<RingHash>,
    /// A Maglev table.
    pub maglev: Option<MagLev>,
    /// Older spelling of `ringHash.minimumRingSize`.
    pub minimum_ring_size: Option<u64>,
}

/// A cookie as hash key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpCookie {
    /// Its name.
    pub name: Str,
    /// Its path.
    pub path: Str,
    /// Its lifetime; zero is a session cookie, absent: the proxy makes none.
    pub ttl: Option<Duration>,
    /// More attributes of a cookie that the proxy makes.
    pub attributes: Vec<CookieAttribute>,
}

/// An attribute of a cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CookieAttribute {
    /// Its name.
    pub name: Str,
    /// Its value.
    pub value: Str,
}

/// A hash ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RingHash {
    /// The least number of points; absent is 1024.
    pub minimum_ring_size: Option<u64>,
}

/// A Maglev table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MagLev {
    /// The size of the table, a prime; absent is 65537.
    pub table_size: Option<u64>,
}

/// Preference of localities. At most one of `distribute` and `failover` is set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalityLbSetting {
    /// Shares per locality of the client.
    pub distribute: Vec<LocalityDistribute>,
    /// Where traffic goes when a region has no healthy endpoint.
    pub failover: Vec<LocalityFailover>,
    /// Labels that order the endpoints, most important first.
    pub failover_priority: Vec<Str>,
    /// Switch; absent is on.
    pub enabled: Option<bool>,
}

/// Shares for clients of one locality.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalityDistribute {
    /// The client's locality, as `region/zone/*`.
    pub from: Str,
    /// Percent per locality of the endpoints; the sum is 100.
    pub to: BTreeMap<Str, u32>,
}

/// Where traffic of a region goes when it fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalityFailover {
    /// The region that fails.
    pub from: Str,
    /// The region that takes over.
    pub to: Str,
}

/// Slow start of new endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Warmup {
    /// How long an endpoint counts as new.
    pub duration: Option<Duration>,
    /// Its least share of the full weight in percent; absent is 10.
    pub minimum_percent: Option<f64>,
    /// The curve of the growth; absent is 1, linear.
    pub aggression: Option<f64>,
}
