//! Compiled HTTP filters, and what routes say about them.
//!
//! A filter is one variant here, one file in `http::filter` and one line in `xds::http_filters`. A
//! filter that routes can have settings for carries the name under which they are kept.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_route::{Fraction, HeaderMatch, StringMatch};
use ferromesh_types::Str;

use super::access_control::{AccessRules, RbacFilter};
use super::by_name::{NameFilter, NameRewrite};
use super::grpc_stats::GrpcStatsFilter;
use crate::stats::{CorsStats, FaultStats};

/// An HTTP filter that has an effect here.
#[derive(Clone, Debug)]
pub enum HttpFilter {
    /// Offers other application protocols upstream, by the protocol of the request.
    AlpnOverride(Arc<AlpnOverride>),
    /// Keeps Istio's peer metadata headers inside the mesh.
    PeerMetadata(PeerMetadata),
    /// Delays requests, or answers them with an error.
    Fault(Arc<FaultFilter>),
    /// Cross-origin resource sharing.
    Cors(Arc<CorsFilter>),
    /// Lets gRPC-Web clients call gRPC endpoints.
    GrpcWeb,
    /// Numbers of gRPC methods.
    GrpcStats(Arc<GrpcStatsFilter>),
    /// Role-based access control.
    Rbac(Arc<RbacFilter>),
    /// Looks up the host of requests.
    Name(Arc<NameFilter>),
}

/// What one level of the route table says about filters, by the name of the filter.
#[derive(Clone, Debug, Default)]
pub struct RouteFilters {
    /// Name and settings.
    pub list: Vec<(Str, RouteFilter)>,
}

/// What a route says about one filter.
#[derive(Clone, Debug)]
pub enum RouteFilter {
    /// The filter is passed over.
    Disabled,
    /// Faults instead of the filter's own.
    Fault(Arc<Fault>),
    /// The origins that may use the answer.
    Cors(Arc<CorsPolicy>),
    /// Rules instead of the filter's own.
    Rbac(Arc<AccessRules>),
    /// Another name to look up.
    Name(NameRewrite),
}

impl RouteFilters {
    /// The settings for the filter of that name.
    pub fn find(&self, name: &str) -> Option<&RouteFilter> {
        let mut all = self.list.iter();
        all.find_map(|(key, settings)| (*key == *name).then_some(settings))
    }
}

/// The fault filter.
#[derive(Clone, Debug)]
pub struct FaultFilter {
    /// Its name.
    pub name: Str,
    /// For requests whose route says nothing; `None` injects nothing.
    pub fault: Option<Arc<Fault>>,
    /// Its numbers.
    pub stats: FaultStats,
}

/// Which requests are delayed or answered with an error.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// Only requests with these headers.
    pub headers: Vec<HeaderMatch>,
    /// Only requests whose `x-envoy-downstream-service-node` is one of these; empty means all.
    pub downstream_nodes: Vec<Str>,
    /// How many requests may be affected at a time.
    pub max_active: Option<u32>,
    /// The delay.
    pub delay: Option<Delay>,
    /// The error, after the delay.
    pub abort: Option<Abort>,
}

/// A delay before the request goes on.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// How long; `None` leaves it to `x-envoy-fault-delay-request`.
    pub fixed: Option<Duration>,
    /// For which share of the requests.
    pub share: Fraction,
}

/// An error instead of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Abort {
    /// Which.
    pub kind: AbortKind,
    /// For which share of the requests.
    pub share: Fraction,
}

/// Which error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortKind {
    /// This HTTP status.
    Http(u16),
    /// This gRPC status.
    Grpc(u32),
    /// What `x-envoy-fault-abort-request` or `x-envoy-fault-abort-grpc-request` says.
    FromHeader,
}

/// The CORS filter; what it does is all in the routes' settings.
#[derive(Clone, Debug)]
pub struct CorsFilter {
    /// Its name.
    pub name: Str,
    /// Its numbers.
    pub stats: CorsStats,
}

/// Which origins may use answers, and how. What is `None` or empty is left to the level above.
#[derive(Clone, Debug, Default)]
pub struct CorsPolicy {
    /// Origins that are allowed.
    pub allow_origins: Vec<StringMatch>,
    /// `access-control-allow-methods`.
    pub allow_methods: Str,
    /// `access-control-allow-headers`.
    pub allow_headers: Str,
    /// `access-control-expose-headers`.
    pub expose_headers: Str,
    /// `access-control-max-age`.
    pub max_age: Str,
    /// Whether credentials may be sent.
    pub allow_credentials: Option<bool>,
    /// Whether requests from public into private networks are allowed.
    pub allow_private_network: Option<bool>,
    /// Whether preflights of other origins go upstream.
    pub forward_not_matching: Option<bool>,
    /// For which share of the requests; `None` means all.
    pub enabled: Option<Fraction>,
    /// For which share, where it is not enabled, origins are counted all the same.
    pub shadow_enabled: Option<Fraction>,
}

/// Application protocols to offer upstream, by the protocol that is spoken upstream. Empty keeps
/// the cluster's own. Clusters with `alpn_override_allowed == false` are left alone.
#[derive(Clone, Debug, Default)]
pub struct AlpnOverride {
    /// For HTTP/1.0.
    pub http10: Vec<Str>,
    /// For HTTP/1.1.
    pub http11: Vec<Str>,
    /// For HTTP/2.
    pub http2: Vec<Str>,
}

/// What happens to `x-envoy-peer-metadata` and `x-envoy-peer-metadata-id`. We do not send them (an
/// unknown peer is all that the other side misses), but we take them off what passes, so that no
/// application sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerMetadata {
    /// Removed from requests.
    pub strip_request: bool,
    /// Removed from responses.
    pub strip_response: bool,
}
