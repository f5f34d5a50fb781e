//! The rules of HTTPRoutes beyond their types.

use super::filter_check::{self, Owner, header_name, unique_names};
use super::{
    BackendReference, CookieLifetime, FilterType, HttpPathMatch, HttpRetry, HttpRoute,
    HttpRouteMatch, HttpRule, HttpTimeouts, PathMatchType, PathModifierType, RouteFilter,
    SessionPersistence, ValueMatch, ValueMatchType, reference_check,
};
use crate::check::{Findings, text};
use crate::parse::Body;

/// Methods of HTTP that can be matched.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// The most conditions of one route.
const MAX_MATCHES: usize = 128;

impl Body for HttpRoute {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        reference_check::parents(findings, &self.parent_refs);
        reference_check::hostnames(findings, &self.hostnames);
        findings.required("rules", !self.rules.is_empty());
        findings.max_items("rules", self.rules.len(), 16);
        findings.each("rules", &self.rules, rule);
        let matches: usize = self.rules.iter().map(|rule| rule.matches.len()).sum();
        if matches > MAX_MATCHES {
            findings.error_at(
                "rules",
                "Invalid value: the total number of matches across all rules must be less than 128",
            );
        }
    }
}

fn rule(findings: &mut Findings<'_>, rule: &HttpRule) {
    findings.max_items("matches", rule.matches.len(), 64);
    findings.each("matches", &rule.matches, http_match);
    filter_check::filters(findings, &rule.filters, Owner::HttpRule);
    let backend_filters = |findings: &mut Findings<'_>, backend: &BackendReference| {
        filter_check::filters(findings, &backend.filters, Owner::HttpBackend);
        one_prefix(findings, &backend.filters, rule);
    };
    reference_check::backends(findings, &rule.backend_refs, Some(&backend_filters));
    one_prefix(findings, &rule.filters, rule);
    let redirects = |filter: &RouteFilter| filter.r#type == Some(FilterType::RequestRedirect);
    if !rule.backend_refs.is_empty() && rule.filters.iter().any(redirects) {
        findings.error(
            "Invalid value: RequestRedirect filter must not be used together with backendRefs",
        );
    }
    findings.some("timeouts", rule.timeouts.as_ref(), timeouts);
    findings.some("retry", rule.retry.as_ref(), retry);
    session(findings, rule.session_persistence.as_ref());
}

/// A new prefix needs one that is matched.
fn one_prefix(findings: &mut Findings<'_>, filters: &[RouteFilter], rule: &HttpRule) {
    let by_prefix = |condition: &HttpRouteMatch| {
        let path = condition.path.as_ref();
        path.is_none_or(|path| path.r#type == PathMatchType::PathPrefix)
    };
    let one = match rule.matches.as_slice() {
        [] => true,
        [only] => by_prefix(only),
        _ => false,
    };
    for (index, filter) in filters.iter().enumerate() {
        let redirect = filter
            .request_redirect
            .as_ref()
            .and_then(|r| r.path.as_ref());
        let rewrite = filter.url_rewrite.as_ref().and_then(|r| r.path.as_ref());
        let path = redirect.or(rewrite);
        let replaces =
            path.is_some_and(|path| path.r#type == Some(PathModifierType::ReplacePrefixMatch));
        if replaces && !one {
            findings.error_at(
                &format!("filters[{index}]"),
                "Invalid value: with path.replacePrefixMatch exactly one PathPrefix match must be \
                 specified",
            );
        }
    }
}

fn http_match(findings: &mut Findings<'_>, condition: &HttpRouteMatch) {
    findings.some("path", condition.path.as_ref(), path);
    value_matches(findings, "headers", &condition.headers);
    findings.max_items("queryParams", condition.query_params.len(), 16);
    findings.each("queryParams", &condition.query_params, |findings, value| {
        findings.required("name", !value.name.is_empty());
        value_match(findings, value);
    });
    if !condition.method.is_empty() && !METHODS.contains(&condition.method.as_str()) {
        let known = METHODS.map(|name| format!("\"{name}\"")).join(", ");
        findings.error_at(
            "method",
            format!(
                "Unsupported value: \"{}\": supported values: {known}",
                condition.method
            ),
        );
    }
}

fn path(findings: &mut Findings<'_>, path: &HttpPathMatch) {
    findings.max_length("value", &path.value, 1024);
    if path.r#type == PathMatchType::RegularExpression {
        findings.rule("value", text::regex(&path.value));
        return;
    }
    let value = path.value.as_str();
    if !value.starts_with('/') {
        findings.error_at(
            "value",
            format!("Invalid value: \"{value}\": must be an absolute path and start with '/'"),
        );
    }
    for part in ["//", "/./", "/../", "%2f", "%2F", "#"] {
        if value.contains(part) {
            findings.error_at(
                "value",
                format!("Invalid value: \"{value}\": must not contain '{part}'"),
            );
        }
    }
    if value.ends_with("/..") || value.ends_with("/.") {
        findings.error_at(
            "value",
            format!("Invalid value: \"{value}\": must not end with '/..' or '/.'"),
        );
    }
}

/// Conditions on headers, each header once.
pub(super) fn value_matches(findings: &mut Findings<'_>, field: &str, values: &[ValueMatch]) {
    findings.max_items(field, values.len(), 16);
    findings.each(field, values, |findings, value| {
        findings.rule("name", header_name(&value.name));
        value_match(findings, value);
    });
    unique_names(findings, field, values.iter().map(|value| &value.name));
}

fn value_match(findings: &mut Findings<'_>, value: &ValueMatch) {
    findings.required("value", !value.value.is_empty());
    if value.r#type == ValueMatchType::RegularExpression {
        findings.rule("value", text::regex(&value.value));
    }
}

fn timeouts(findings: &mut Findings<'_>, value: &HttpTimeouts) {
    for field in ["request", "backendRequest"] {
        duration(findings, field);
    }
    if let (Some(all), Some(one)) = (value.request, value.backend_request)
        && *one > *all
        && !all.is_zero()
    {
        findings
            .error("Invalid value: backendRequest timeout cannot be longer than request timeout");
    }
}

fn retry(findings: &mut Findings<'_>, value: &HttpRetry) {
    duration(findings, "backoff");
    for (index, code) in value.codes.iter().enumerate() {
        if !(400..=599).contains(code) {
            findings.error_at(
                &format!("codes[{index}]"),
                format!("Invalid value: {code}: must be between 400 and 599"),
            );
        }
    }
}

/// The rules of a persistent session.
pub(super) fn session(findings: &mut Findings<'_>, value: Option<&SessionPersistence>) {
    findings.some("sessionPersistence", value, |findings, value| {
        findings.max_length("sessionName", &value.session_name, 128);
        for field in ["absoluteTimeout", "idleTimeout"] {
            duration(findings, field);
        }
        let permanent = value
            .cookie_config
            .is_some_and(|cookie| cookie.lifetime_type == CookieLifetime::Permanent);
        if permanent && value.absolute_timeout.is_none() {
            findings.error(
                "Invalid value: AbsoluteTimeout must be specified when cookie lifetimeType is \
                 Permanent",
            );
        }
    });
}

/// A duration as the Gateway API writes them: whole numbers with h, m, s or ms.
fn duration(findings: &mut Findings<'_>, field: &str) {
    let Some(written) = findings.written_text(field) else {
        return;
    };
    let mut rest = written;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = &rest[digits..];
        let unit = ["ms", "h", "m", "s"]
            .into_iter()
            .find(|unit| after.starts_with(unit));
        let (1..=5, Some(unit)) = (digits, unit) else {
            break;
        };
        rest = &after[unit.len()..];
        parts += 1;
    }
    if !rest.is_empty() || !(1..=4).contains(&parts) {
        let written = written.to_owned();
        findings.field(field, |findings| {
            findings.no_match(&written, "^([0-9]{1,5}(h|m|s|ms)){1,4}$");
        });
    }
}
