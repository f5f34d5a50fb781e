//! `HTTPRoute`: how HTTP requests to a Gateway or a Service are routed.

use ferromesh_types::Str;
use serde::Deserialize;

use super::{BackendReference, HttpRetry, ParentReference, RouteFilter, SessionPersistence};
use crate::value::Duration;

/// Rules for requests to some hosts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRoute {
    /// What the route is attached to.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it is attached to default Gateways as well. Has no effect.
    pub use_default_gateways: Str,
    /// The hosts; empty is all of the listener.
    pub hostnames: Vec<Str>,
    /// The rules; the most specific match wins.
    pub rules: Vec<HttpRule>,
}

impl Default for HttpRoute {
    fn default() -> Self {
        Self {
            parent_refs: Vec::new(),
            use_default_gateways: Str::default(),
            hostnames: Vec::new(),
            rules: vec![HttpRule::default()],
        }
    }
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRule {
    /// A name, unique in the route.
    pub name: Str,
    /// Conditions; any one of them is enough, none means all requests.
    pub matches: Vec<HttpRouteMatch>,
    /// What happens to the requests.
    pub filters: Vec<RouteFilter>,
    /// Where they go.
    pub backend_refs: Vec<BackendReference>,
    /// How long they may take.
    pub timeouts: Option<HttpTimeouts>,
    /// Retries.
    pub retry: Option<HttpRetry>,
    /// Requests of a session go to one backend.
    pub session_persistence: Option<SessionPersistence>,
}

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteMatch {
    /// The path; absent is every path.
    pub path: Option<HttpPathMatch>,
    /// Headers.
    pub headers: Vec<ValueMatch>,
    /// Query parameters.
    pub query_params: Vec<ValueMatch>,
    /// The method; empty is any.
    pub method: Str,
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpPathMatch {
    /// How it is compared.
    pub r#type: PathMatchType,
    /// With what.
    pub value: Str,
}

impl Default for HttpPathMatch {
    fn default() -> Self {
        Self {
            r#type: PathMatchType::default(),
            value: "/".into(),
        }
    }
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum PathMatchType {
    /// Character by character.
    Exact,
    /// By whole path elements from the beginning.
    #[default]
    PathPrefix,
    /// By a regular expression for all of it.
    RegularExpression,
}

/// A condition on a header or a query parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ValueMatch {
    /// How it is compared.
    pub r#type: ValueMatchType,
    /// The name.
    pub name: Str,
    /// With what.
    pub value: Str,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum ValueMatchType {
    /// Character by character.
    #[default]
    Exact,
    /// By a regular expression for all of it.
    RegularExpression,
}

/// How long requests may take; zero is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpTimeouts {
    /// The whole request, with its retries.
    pub request: Option<Duration>,
    /// One try.
    pub backend_request: Option<Duration>,
}
