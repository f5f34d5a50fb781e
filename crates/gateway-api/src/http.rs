//! Rules of HTTPRoutes.

use ferromesh_config::kind::gateway_api::{
    HttpPathMatch, HttpRetry, HttpRouteMatch, HttpRule, HttpTimeouts, PathMatchType, ValueMatch,
    ValueMatchType,
};
use ferromesh_config::kind::virtual_service::{
    HttpMatchRequest, HttpRetry as MadeRetry, HttpRoute,
};
use ferromesh_config::{Duration, StringMatch};
use ferromesh_types::Str;

use crate::attach::Attached;
use crate::backend::Source;
use crate::filter::Rule;
use crate::listener::RouteKind;
use crate::table::RouteRules;
use crate::written::{Meta, Written};

/// Tries after the first where a route asks for retries and does not say how many.
const DEFAULT_ATTEMPTS: u32 = 2;

/// When a route with retries tries again besides the statuses that it names: failures before the
/// request can have had an effect.
const ALWAYS_RETRIED: &str = "connect-failure,refused-stream,unavailable,cancelled";

/// The rules of all HTTPRoutes.
pub(crate) fn rules(written: &Written) -> Vec<RouteRules<'_>> {
    let routes = written.http_routes().into_iter();
    routes
        .map(|route| {
            let source = Source {
                kind: RouteKind::Http,
                namespace: route.meta.namespace(),
            };
            let each = route.spec.rules.iter().enumerate();
            let rules = each.flat_map(|(index, rule)| {
                let name = name(route.meta, &rule.name, index);
                convert(written, source, &name, rule)
            });
            RouteRules {
                meta: route.meta,
                attached: Attached {
                    kind: RouteKind::Http,
                    meta: route.meta,
                    parents: &route.spec.parent_refs,
                    hostnames: &route.spec.hostnames,
                },
                rules: rules.collect(),
            }
        })
        .collect()
}

/// The name of a rule in logs.
pub(crate) fn name(meta: Meta<'_>, rule: &Str, index: usize) -> Str {
    let (namespace, route) = (meta.namespace(), meta.name());
    if rule.is_empty() {
        format!("{namespace}.{route}.{index}").into()
    } else {
        format!("{namespace}.{route}.{rule}").into()
    }
}

/// A rule as one route per condition.
fn convert(written: &Written, source: Source<'_>, name: &Str, rule: &HttpRule) -> Vec<HttpRoute> {
    let everything = [HttpRouteMatch::default()];
    let matches = if rule.matches.is_empty() {
        &everything[..]
    } else {
        &rule.matches
    };
    let parts = Rule {
        filters: &rule.filters,
        backends: &rule.backend_refs,
    };
    matches
        .iter()
        .map(|written_match| {
            let condition = condition(written_match);
            let mut route = parts.route(written, source, condition);
            route.name = name.clone();
            route.retries = rule.retry.as_ref().map(retries);
            if let Some(limits) = &rule.timeouts {
                limit(&mut route, limits);
            }
            route
        })
        .collect()
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
