//! `VirtualService`: how requests to a host are routed.
//!
//! The protocol sections live in `http` and `layer4`; `check` holds the rules beyond the types.

mod check;
mod fault;
mod fault_check;
mod http;
mod http_action;
mod http_check;
mod layer4;

pub use fault_check::GRPC_STATUSES;
use ferromesh_types::{Hostname, Str};
use serde::Deserialize;

pub use fault::{Abort, CorsPolicy, Delay, HttpFaultInjection, UnmatchedPreflights};
pub use http::{
    Delegate, Destination, HttpMatchRequest, HttpMirrorPolicy, HttpRoute, HttpRouteDestination,
    Percent, PortSelector,
};
pub use http_action::{
    HeaderOperations, Headers, HttpBody, HttpDirectResponse, HttpRedirect, HttpRetry, HttpRewrite,
    RedirectPort, RegexRewrite,
};
pub use layer4::{L4MatchAttributes, RouteDestination, TcpRoute, TlsMatchAttributes, TlsRoute};

/// Routes for one or more hosts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VirtualService {
    /// The hosts that the routes are for.
    pub hosts: Vec<Hostname>,
    /// Gateways (`namespace/name` or `name`) and `mesh` for the sidecars; empty means `mesh`.
    pub gateways: Vec<Str>,
    /// Routes for HTTP traffic, first match wins.
    pub http: Vec<HttpRoute>,
    /// Routes for TLS that is not opened, by server name.
    pub tls: Vec<TlsRoute>,
    /// Routes for opaque TCP.
    pub tcp: Vec<TcpRoute>,
    /// Namespaces that may see it (`.`, `*`, `~`, names); empty means the mesh's default.
    pub export_to: Vec<Str>,
    /// Whose rules the routes follow. YAML cannot say it: written objects follow Istio's.
    #[serde(skip)]
    pub semantics: RouteSemantics,
}

/// Where the meaning of routes differs between the APIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RouteSemantics {
    /// A prefix of a path is any text; without a cluster the answer is 503.
    #[default]
    Istio,
    /// A prefix of a path is a number of whole elements; without a cluster the answer is 500.
    GatewayApi,
}
