//! Rules of HTTPRoutes.

use ferromesh_config::kind::gateway_api::{
    HttpPathMatch, HttpRetry, HttpRoute as HttpRouteSpec, HttpRouteMatch, HttpRule, HttpTimeouts,
    PathMatchType, ValueMatch, ValueMatchType,
};
use ferromesh_config::kind::virtual_service::{
    HttpMatchRequest, HttpRetry as MadeRetry, HttpRoute,
};
use ferromesh_config::{Duration, StringMatch};
use ferromesh_types::Str;

use crate::backend::Source;
use crate::filter::Rule;
use crate::listener::RouteKind;
use crate::route_rules::RouteRules;
use crate::written::{Entry, Written};

/// Tries after the first where a route asks for retries and does not say how many.
const DEFAULT_ATTEMPTS: u32 = 2;

/// When a route with retries tries again besides the statuses that it names: failures before the
/// request can have had an effect.
const ALWAYS_RETRIED: &str = "connect-failure,refused-stream,unavailable,cancelled";

/// The rules of all HTTPRoutes.
pub(crate) fn rules<'a>(written: &'a Written) -> Vec<RouteRules<'a>> {
    let of_route = |route: Entry<'a, HttpRouteSpec>| {
        let spec = route.spec;
        RouteRules::of(
            RouteKind::Http,
            route.meta,
            &spec.parent_refs,
            &spec.hostnames,
            spec.rules.iter().map(|rule| (&rule.name, rule)),
            |source, name, rule| convert(written, source, name, rule),
        )
    };
    written.http_routes().into_iter().map(of_route).collect()
}

/// A rule as one route per condition.
fn convert(written: &Written, source: Source<'_>, name: &Str, rule: &HttpRule) -> Vec<HttpRoute> {
    let conditions = rule.matches.iter().map(condition).collect();
    let parts = Rule {
        filters: &rule.filters,
        backends: &rule.backend_refs,
    };
    let mut routes = parts.routes(written, source, name, conditions);
    for route in &mut routes {
        route.retries = rule.retry.as_ref().map(retries);
        if let Some(limits) = &rule.timeouts {
            limit(route, limits);
        }
    }
    routes
}

fn condition(written: &HttpRouteMatch) -> HttpMatchRequest {
    HttpMatchRequest {
        uri: written.path.as_ref().and_then(path),
        method: (!written.method.is_empty()).then(|| StringMatch::Exact(written.method.clone())),
        headers: written.headers.iter().rev().map(header).collect(),
        query_params: written.query_params.iter().rev().map(named).collect(),
        ..HttpMatchRequest::default()
    }
}

/// `None` for a prefix that every path has. A slash at a prefix's end says nothing.
fn path(written: &HttpPathMatch) -> Option<StringMatch> {
    match written.r#type {
        PathMatchType::Exact => Some(StringMatch::Exact(written.value.clone())),
        PathMatchType::RegularExpression => Some(StringMatch::Regex(written.value.clone())),
        PathMatchType::PathPrefix => {
            let prefix = written.value.trim_end_matches('/');
            (!prefix.is_empty()).then(|| StringMatch::Prefix(prefix.into()))
        }
    }
}

/// A header by its name in lower case.
pub(crate) fn header(written: &ValueMatch) -> (Str, StringMatch) {
    let (name, value) = named(written);
    (name.to_ascii_lowercase().into(), value)
}

fn named(written: &ValueMatch) -> (Str, StringMatch) {
    let value = match written.r#type {
        ValueMatchType::Exact => StringMatch::Exact(written.value.clone()),
        ValueMatchType::RegularExpression => StringMatch::Regex(written.value.clone()),
    };
    (written.name.clone(), value)
}

fn retries(written: &HttpRetry) -> MadeRetry {
    let codes = written.codes.iter().map(ToString::to_string);
    let conditions: Vec<String> = std::iter::once(ALWAYS_RETRIED.to_owned())
        .chain(codes)
        .collect();
    MadeRetry {
        attempts: written.attempts.unwrap_or(DEFAULT_ATTEMPTS),
        retry_on: conditions.join(",").into(),
        backoff: written.backoff,
        ..MadeRetry::default()
    }
}

/// The time of one try is that of the request where nothing is tried twice.
fn limit(route: &mut HttpRoute, limits: &HttpTimeouts) {
    let some = |limit: Option<Duration>| limit.filter(|limit| !limit.is_zero());
    route.timeout = some(limits.request);
    match (&mut route.retries, some(limits.backend_request)) {
        (_, None) => {}
        (Some(retries), limit) => retries.per_try_timeout = limit,
        (None, limit) => route.timeout = limit,
    }
}
