//! The rules of HTTP routes beyond their types.

use std::collections::BTreeMap;

use ferromesh_types::Str;

use super::check::{destination, port, weights};
use super::fault_check::{cors, fault, mirrors};
use super::{
    HeaderOperations, Headers, HttpDirectResponse, HttpMatchRequest, HttpRedirect, HttpRetry,
    HttpRewrite, HttpRoute,
};
use crate::check::{Findings, format, name, scope, text};
use crate::problem::Code;
use crate::value::StringMatch;

/// Conditions under which Envoy knows to try again.
const RETRY_ON: [&str; 16] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// The rules of one route.
pub(super) fn http_route(findings: &mut Findings<'_>, route: &HttpRoute, delegate: bool) {
    one_action(findings, route, delegate);
    findings.each("match", &route.r#match, http_match);
    findings.each("route", &route.route, |findings, target| {
        findings.field("destination", |findings| {
            destination(findings, &target.destination);
        });
        headers(findings, target.headers.as_ref());
    });
    weights(findings, route.route.iter().map(|target| target.weight));
    findings.some("redirect", route.redirect.as_ref(), redirect);
    findings.some(
        "directResponse",
        route.direct_response.as_ref(),
        direct_response,
    );
    findings.some("delegate", route.delegate.as_ref(), |findings, delegate| {
        findings.required("name", !delegate.name.is_empty());
        if !delegate.namespace.is_empty() {
            findings.rule("namespace", name::dns_label(&delegate.namespace));
        }
    });
    findings.some("rewrite", route.rewrite.as_ref(), |findings, value| {
        rewrite(findings, value, &route.r#match);
    });
    if let Some(timeout) = route.timeout {
        findings.rule("timeout", text::duration_or_zero(timeout));
    }
    findings.some("retries", route.retries.as_ref(), retries);
    findings.some("fault", route.fault.as_ref(), fault);
    mirrors(findings, route);
    findings.some("corsPolicy", route.cors_policy.as_ref(), cors);
    headers(findings, route.headers.as_ref());
}

/// A route forwards, redirects, answers or delegates; only one of them.
fn one_action(findings: &mut Findings<'_>, route: &HttpRoute, delegate: bool) {
    let actions = [
        ("route", !route.route.is_empty()),
        ("redirect", route.redirect.is_some()),
        ("directResponse", route.direct_response.is_some()),
        ("delegate", route.delegate.is_some()),
    ];
    let set: Vec<&str> = actions
        .iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| *name)
        .collect();
    match set.as_slice() {
        [] => findings.error("Invalid value: HTTP route, redirect or direct_response is required"),
        [_] => {}
        several => findings.error(format!(
            "Invalid value: HTTP route cannot contain both {}",
            several.join(" and ")
        )),
    }
    if delegate && route.delegate.is_some() {
        findings.error_at(
            "delegate",
            "Invalid value: a delegate cannot delegate further",
        );
    }
    if route.route.is_empty() && route.delegate.is_none() {
        let with = set.join(" and ");
        for (field, set) in [
            ("fault", route.fault.is_some()),
            ("rewrite", route.rewrite.is_some()),
        ] {
            if set && !with.is_empty() {
                let message = format!("Invalid value: cannot be combined with {with}");
                findings.error_at(field, message);
            }
        }
    }
}

fn http_match(findings: &mut Findings<'_>, condition: &HttpMatchRequest) {
    for (field, value) in [
        ("uri", &condition.uri),
        ("scheme", &condition.scheme),
        ("method", &condition.method),
        ("authority", &condition.authority),
    ] {
        let Some(value) = value else { continue };
        match value {
            StringMatch::Present => {
                findings.error_at(
                    field,
                    "Required value: one of exact, prefix, regex must be set",
                );
            }
            StringMatch::Prefix(prefix) if prefix.is_empty() => {
                findings.error_at(field, "Invalid value: \"\": a prefix must not be empty");
            }
            value => findings.rule(field, text::string_match(value)),
        }
    }
    header_matches(findings, "headers", &condition.headers);
    header_matches(findings, "withoutHeaders", &condition.without_headers);
    findings.field("queryParams", |findings| {
        for (name, value) in &condition.query_params {
            findings.rule(name, text::string_match(value));
        }
    });
    port(findings, condition.port);
    scope::labels(findings, "sourceLabels", &condition.source_labels);
    scope::gateway_names(findings, &condition.gateways);
    if !condition.source_namespace.is_empty() {
        findings.rule(
            "sourceNamespace",
            name::dns_label(&condition.source_namespace),
        );
    }
}

fn header_matches(findings: &mut Findings<'_>, field: &str, matches: &BTreeMap<Str, StringMatch>) {
    findings.field(field, |findings| {
        for (name, value) in matches {
            // `@request.auth.claims.group` stands for a claim of the request's token.
            if !name.starts_with("@request.auth.claims") {
                findings.rule(name, text::header_name(name));
            }
            findings.rule(name, text::string_match(value));
        }
    });
}

fn headers(findings: &mut Findings<'_>, headers: Option<&Headers>) {
    findings.some("headers", headers, |findings, headers| {
        findings.some("request", headers.request.as_ref(), operations);
        findings.some("response", headers.response.as_ref(), operations);
    });
}

fn operations(findings: &mut Findings<'_>, value: &HeaderOperations) {
    for (field, names) in [("set", &value.set), ("add", &value.add)] {
        findings.field(field, |findings| {
            for (name, value) in names {
                findings.rule(name, settable_header(name));
                findings.rule(name, format::header_value(value));
            }
        });
    }
    for (index, name) in value.remove.iter().enumerate() {
        findings.rule(&format!("remove[{index}]"), settable_header(name));
    }
}

/// Pseudo headers say what a request is; only the authority may be edited.
fn settable_header(name: &str) -> Result<(), String> {
    text::header_name(name)?;
    if name.starts_with(':') && !name.eq_ignore_ascii_case(":authority") {
        return Err(format!(
            "Invalid value: \"{name}\": pseudo headers cannot be changed"
        ));
    }
    Ok(())
}

fn redirect(findings: &mut Findings<'_>, value: &HttpRedirect) {
    if value.port.is_some() && value.derive_port.is_some() {
        findings.error("Invalid value: at most one of port and derivePort may be set");
    }
    port(findings, value.port);
    if let Some(code) = value.redirect_code
        && !matches!(code, 301 | 302 | 303 | 307 | 308)
    {
        findings.error_at(
            "redirectCode",
            format!("Unsupported value: {code}: supported values: 301, 302, 303, 307, 308"),
        );
    }
    if !value.scheme.is_empty() && !matches!(value.scheme.as_str(), "http" | "https") {
        findings.error_at(
            "scheme",
            format!(
                "Unsupported value: \"{}\": supported values: \"http\", \"https\"",
                value.scheme
            ),
        );
    }
    let nothing = value.uri.is_empty()
        && value.authority.is_empty()
        && value.scheme.is_empty()
        && value.port.is_none()
        && value.derive_port.is_none();
    if nothing {
        findings.error("Invalid value: redirect must specify URI, authority, scheme, or port");
    }
}

fn direct_response(findings: &mut Findings<'_>, value: &HttpDirectResponse) {
    findings.rule("status", text::status(value.status));
    findings.some("body", value.body.as_ref(), |findings, body| {
        findings.at_most_one(&["string", "bytes"]);
        // Envoy keeps such bodies in its config; its limit is the same.
        let length = body
            .string
            .as_deref()
            .or(body.bytes.as_deref())
            .map_or(0, str::len);
        if length > 1 << 20 {
            findings.error("Invalid value: the body must not be longer than 1 MiB");
        }
    });
}

fn rewrite(findings: &mut Findings<'_>, value: &HttpRewrite, matches: &[HttpMatchRequest]) {
    findings.some(
        "uriRegexRewrite",
        value.uri_regex_rewrite.as_ref(),
        |findings, substitution| {
            if substitution.r#match.is_empty() {
                findings.required("match", false);
            } else {
                findings.rule("match", text::regex(&substitution.r#match));
            }
            findings.required("rewrite", !substitution.rewrite.is_empty());
        },
    );
    if !value.uri.is_empty() && value.uri_regex_rewrite.is_some() {
        findings.error("Invalid value: rewrite may only contain one of URI or UriRegexRewrite");
    }
    if value.uri.is_empty() && value.authority.is_empty() && value.uri_regex_rewrite.is_none() {
        findings.error("Invalid value: rewrite must specify at least one of URI, UriRegexRewrite, or authority");
    }
    let by_regex = matches
        .iter()
        .any(|m| matches!(m.uri, Some(StringMatch::Regex(_))));
    if by_regex && !value.uri.is_empty() {
        findings.warn_at(
            "uri",
            Code::Suspicious,
            "where uri is matched by a regular expression, the whole path is replaced; \
             uriRegexRewrite can keep parts of it",
        );
    }
}

fn retries(findings: &mut Findings<'_>, value: &HttpRetry) {
    for (field, time) in [
        ("perTryTimeout", value.per_try_timeout),
        ("backoff", value.backoff),
    ] {
        if let Some(time) = time {
            findings.rule(field, text::duration_or_zero(time));
        }
    }
    if value.attempts == 0 && (value.per_try_timeout.is_some() || !value.retry_on.is_empty()) {
        findings.error(
            "Invalid value: http retry policy configured when attempts are set to 0 (disabled)",
        );
    }
    for condition in value
        .retry_on
        .split(',')
        .map(str::trim)
        .filter(|c| !c.is_empty())
    {
        let status = condition
            .parse::<u32>()
            .is_ok_and(|code| text::status(code).is_ok());
        if !status && !RETRY_ON.contains(&condition) {
            findings.error_at(
                "retryOn",
                format!(
                    "Invalid value: \"{condition}\": neither a status nor a condition of Envoy"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_authority_of_the_pseudo_headers_may_be_set() {
        assert_eq!(settable_header(":authority"), Ok(()));
        assert_eq!(settable_header("X-Token"), Ok(()));
        assert!(settable_header(":path").is_err());
        assert!(settable_header("a b").is_err());
    }
}
