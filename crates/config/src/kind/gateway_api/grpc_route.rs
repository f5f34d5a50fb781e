//! `GRPCRoute`: how gRPC calls to a Gateway or a Service are routed.

use ferromesh_types::Str;
use serde::Deserialize;

use super::filter_check::{self, Owner};
use super::http_route_check::{self, value_matches};
use super::{
    BackendReference, ParentReference, RouteFilter, SessionPersistence, ValueMatch, ValueMatchType,
    reference_check,
};
use crate::check::{Findings, text};
use crate::parse::Body;

/// Rules for calls to some hosts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcRoute {
    /// What the route is attached to.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it is attached to default Gateways as well. Has no effect.
    pub use_default_gateways: Str,
    /// The hosts; empty is all of the listener.
    pub hostnames: Vec<Str>,
    /// The rules; the most specific match wins.
    pub rules: Vec<GrpcRule>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcRule {
    /// A name, unique in the route.
    pub name: Str,
    /// Conditions; any one of them is enough, none means all calls.
    pub matches: Vec<GrpcRouteMatch>,
    /// What happens to the calls.
    pub filters: Vec<RouteFilter>,
    /// Where they go.
    pub backend_refs: Vec<BackendReference>,
    /// Calls of a session go to one backend.
    pub session_persistence: Option<SessionPersistence>,
}

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcRouteMatch {
    /// The method; absent is every one.
    pub method: Option<GrpcMethodMatch>,
    /// Headers.
    pub headers: Vec<ValueMatch>,
}

/// A condition on the method that is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcMethodMatch {
    /// How the names are compared.
    pub r#type: ValueMatchType,
    /// The service with its package; empty is any.
    pub service: Str,
    /// The method; empty is any.
    pub method: Str,
}

impl Body for GrpcRoute {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        reference_check::parents(findings, &self.parent_refs);
        reference_check::hostnames(findings, &self.hostnames);
        findings.max_items("rules", self.rules.len(), 16);
        findings.each("rules", &self.rules, rule);
    }
}

fn rule(findings: &mut Findings<'_>, rule: &GrpcRule) {
    findings.max_items("matches", rule.matches.len(), 64);
    findings.each("matches", &rule.matches, |findings, condition| {
        findings.some("method", condition.method.as_ref(), method);
        value_matches(findings, "headers", &condition.headers);
    });
    filter_check::filters(findings, &rule.filters, Owner::GrpcRule);
    reference_check::backends(
        findings,
        &rule.backend_refs,
        Some(&|findings: &mut Findings<'_>, backend: &BackendReference| {
            filter_check::filters(findings, &backend.filters, Owner::GrpcBackend);
        }),
    );
    http_route_check::session(findings, rule.session_persistence.as_ref());
}

fn method(findings: &mut Findings<'_>, condition: &GrpcMethodMatch) {
    if condition.service.is_empty() && condition.method.is_empty() {
        findings.error("Invalid value: one or both of 'service' or 'method' must be specified");
    }
    for (field, value) in [
        ("service", &condition.service),
        ("method", &condition.method),
    ] {
        let name =
            |b: u8| b.is_ascii_alphanumeric() || b == b'_' || (b == b'.' && field == "service");
        match condition.r#type {
            ValueMatchType::RegularExpression => findings.rule(field, text::regex(value)),
            ValueMatchType::Exact if value.bytes().all(name) => {}
            ValueMatchType::Exact => findings.error_at(
                field,
                format!("Invalid value: \"{value}\": not the name of a {field} of gRPC"),
            ),
        }
    }
}
