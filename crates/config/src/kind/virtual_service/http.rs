//! HTTP routes: matches and destinations.

use std::collections::BTreeMap;

use ferromesh_types::{Hostname, Selector, Str};
use serde::Deserialize;

use super::{
    CorsPolicy, Headers, HttpDirectResponse, HttpFaultInjection, HttpRedirect, HttpRetry,
    HttpRewrite,
};
use crate::value::{Duration, StringMatch};

/// One HTTP route: requests that match go to the destinations, or get the direct answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRoute {
    /// A name for logs and EnvoyFilter.
    pub name: Str,
    /// Conditions; any one of them is enough, none means all requests.
    pub r#match: Vec<HttpMatchRequest>,
    /// Where the requests go.
    pub route: Vec<HttpRouteDestination>,
    /// Answer with a redirect instead.
    pub redirect: Option<HttpRedirect>,
    /// Answer with a fixed response instead.
    pub direct_response: Option<HttpDirectResponse>,
    /// Another VirtualService whose routes take over.
    pub delegate: Option<Delegate>,
    /// Changes of path and authority before forwarding.
    pub rewrite: Option<HttpRewrite>,
    /// Limit of the whole request with its retries; zero or absent is none.
    pub timeout: Option<Duration>,
    /// Retries.
    pub retries: Option<HttpRetry>,
    /// Faults to inject.
    pub fault: Option<HttpFaultInjection>,
    /// Where a copy of the requests goes.
    pub mirror: Option<Destination>,
    /// Where copies of the requests go, each with a share.
    pub mirrors: Vec<HttpMirrorPolicy>,
    /// Older spelling of `mirrorPercentage`, in whole percent.
    #[serde(alias = "mirror_percent")]
    pub mirror_percent: Option<u32>,
    /// The share of requests that `mirror` copies.
    pub mirror_percentage: Option<Percent>,
    /// Cross-origin resource sharing.
    pub cors_policy: Option<CorsPolicy>,
    /// Changes of headers for all destinations of the route.
    pub headers: Option<Headers>,
}

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMatchRequest {
    /// A name that is appended to the route's name in logs.
    pub name: Str,
    /// Path and query.
    pub uri: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// The method.
    pub method: Option<StringMatch>,
    /// The authority (`host` header).
    pub authority: Option<StringMatch>,
    /// Headers by name.
    pub headers: BTreeMap<Str, StringMatch>,
    /// The port that is addressed.
    pub port: Option<u16>,
    /// Labels of the client workload.
    pub source_labels: Selector,
    /// Gateways that the match is for; replaces the list of the VirtualService.
    pub gateways: Vec<Str>,
    /// Query parameters by name.
    pub query_params: BTreeMap<Str, StringMatch>,
    /// Compare `uri` without regard to case (not for regular expressions).
    pub ignore_uri_case: bool,
    /// Headers whose match must fail.
    pub without_headers: BTreeMap<Str, StringMatch>,
    /// Namespace of the client workload.
    pub source_namespace: Str,
    /// A prefix for the statistics of this route.
    pub stat_prefix: Str,
}

/// A destination with its share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteDestination {
    /// Where to.
    pub destination: Destination,
    /// The share; shares count in relation to their sum. A single destination needs none.
    pub weight: u32,
    /// Changes of headers for this destination.
    pub headers: Option<Headers>,
}

/// A service, or a subset of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Destination {
    /// The host name in the registry; short names belong to the object's namespace.
    pub host: Hostname,
    /// A subset that a DestinationRule defines.
    pub subset: Str,
    /// The port; may be left out where the service has one port.
    pub port: Option<PortSelector>,
}

/// A port by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortSelector {
    /// The number.
    pub number: u16,
}

/// A destination that gets copies.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMirrorPolicy {
    /// Where to.
    pub destination: Destination,
    /// The share; absent is all.
    pub percentage: Option<Percent>,
}

/// A share in percent, 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Percent {
    /// The share.
    pub value: f64,
}

/// Another VirtualService.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Delegate {
    /// Its name.
    pub name: Str,
    /// Its namespace; empty means that of the root object.
    pub namespace: Str,
}
