//! The rules of faults, mirrors and cross-origin resource sharing beyond their types.

use super::check::destination;
use super::{CorsPolicy, HttpFaultInjection, HttpRoute, Percent};
use crate::check::{Findings, text};
use crate::value::StringMatch;

/// The rules of faults.
pub(super) fn fault(findings: &mut Findings<'_>, value: &HttpFaultInjection) {
    if value.delay.is_none() && value.abort.is_none() {
        findings.error("Invalid value: HTTP fault injection must have an abort and/or a delay");
    }
    findings.some("delay", value.delay.as_ref(), |findings, delay| {
        share(findings, delay.percentage);
        match (delay.fixed_delay, delay.exponential_delay) {
            (_, Some(_)) => findings.error_at("exponentialDelay", "Invalid value: not supported"),
            (Some(time), None) => findings.rule("fixedDelay", text::duration(time)),
            (None, None) => findings.required("fixedDelay", false),
        }
    });
    findings.some("abort", value.abort.as_ref(), |findings, abort| {
        share(findings, abort.percentage);
        findings.at_most_one(&["httpStatus", "grpcStatus", "http2Error"]);
        match (abort.http_status, &abort.grpc_status, &abort.http2_error) {
            (Some(code), ..) => findings.rule("httpStatus", text::status(code)),
            (None, Some(code), _) => findings.rule("grpcStatus", grpc_status(code)),
            (.., Some(_)) => findings.error_at("http2Error", "Invalid value: not supported"),
            _ => findings.error("Required value: one of httpStatus, grpcStatus must be set"),
        }
    });
}

/// The names of gRPC statuses, by number.
pub const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn grpc_status(code: &str) -> Result<(), String> {
    if GRPC_STATUSES.contains(&code) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{code}\": not the name of a gRPC status"
    ))
}

/// The rules of the copies of a route's requests.
pub(super) fn mirrors(findings: &mut Findings<'_>, route: &HttpRoute) {
    if route.mirror.is_some() && !route.mirrors.is_empty() {
        findings.error("Invalid value: HTTP route cannot contain both mirror and mirrors");
    }
    findings.some("mirror", route.mirror.as_ref(), destination);
    if let Some(share) = route.mirror_percentage {
        findings.field("mirrorPercentage", |findings| {
            findings.rule("value", text::percent(share.value));
        });
    }
    if route.mirror_percent.is_some_and(|share| share > 100) {
        findings.error_at("mirrorPercent", "Invalid value: must be between 0 and 100");
    }
    findings.each("mirrors", &route.mirrors, |findings, mirror| {
        findings.field("destination", |findings| {
            destination(findings, &mirror.destination);
        });
        share(findings, mirror.percentage);
    });
}

fn share(findings: &mut Findings<'_>, share: Option<Percent>) {
    findings.some("percentage", share.as_ref(), |findings, share| {
        findings.rule("value", text::percent(share.value));
    });
}

/// The rules of cross-origin resource sharing.
pub(super) fn cors(findings: &mut Findings<'_>, value: &CorsPolicy) {
    for (index, origin) in value.allow_origins.iter().enumerate() {
        let field = format!("allowOrigins[{index}]");
        if *origin == StringMatch::Present {
            findings.error_at(
                &field,
                "Required value: one of exact, prefix, regex must be set",
            );
        }
        findings.rule(&field, text::string_match(origin));
    }
    for (field, names) in [
        ("allowHeaders", &value.allow_headers),
        ("exposeHeaders", &value.expose_headers),
    ] {
        for (index, name) in names.iter().enumerate() {
            findings.rule(&format!("{field}[{index}]"), text::header_name(name));
        }
    }
    if let Some(age) = value.max_age {
        findings.rule("maxAge", text::duration_or_zero(age));
        if age.subsec_nanos() != 0 {
            findings.error_at(
                "maxAge",
                "Invalid value: max_age duration is accurate only to seconds precision",
            );
        }
    }
}
