//! The rules of EnvoyFilter beyond its types.

use super::{ApplyTo, ConfigPatch, EnvoyFilter, ObjectMatch, PatchContext, PatchOperation};
use crate::check::{Findings, address, scope, text};
use crate::parse::Body;
use crate::problem::Code;

impl Body for EnvoyFilter {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        if findings.count_written(&["workloadSelector", "targetRefs"]) > 1 {
            findings.error(
                "Invalid value: \"object\": only one of targetRefs or workloadSelector can be set",
            );
        }
        scope::workload_selector(findings, self.workload_selector.as_ref());
        scope::target_refs(findings, &self.target_refs);
        findings.each("configPatches", &self.config_patches, config_patch);
    }
}

fn config_patch(findings: &mut Findings<'_>, patch: &ConfigPatch) {
    findings.some("match", patch.r#match.as_ref(), object_match);
    let incomplete = |findings: &mut Findings<'_>, field: &str, message: &str| {
        findings.warn_at(
            field,
            Code::Suspicious,
            format!("{message}; the patch does nothing"),
        );
    };
    if patch.apply_to == ApplyTo::Invalid {
        incomplete(findings, "applyTo", "not set");
    }
    let Some(change) = &patch.patch else {
        return incomplete(findings, "patch", "not set");
    };
    if change.operation == PatchOperation::Invalid {
        incomplete(findings, "patch.operation", "not set");
    }
    if change.operation != PatchOperation::Remove && change.value.is_none() {
        incomplete(findings, "patch.value", "not set, which only REMOVE may");
    }
    if change
        .value
        .as_ref()
        .is_some_and(|value| !value.is_object())
    {
        findings.error_at("patch.value", "Invalid value: must be a map of fields");
    }
}

fn object_match(findings: &mut Findings<'_>, value: &ObjectMatch) {
    let objects = ["listener", "routeConfiguration", "cluster", "waypoint"];
    findings.at_most_one(&objects);
    if value.waypoint.is_some() != (value.context == PatchContext::Waypoint)
        && (value.waypoint.is_some() || findings.count_written(&objects) > 0)
    {
        findings.error(
            "Invalid value: \"object\": only support waypointMatch when context is WAYPOINT",
        );
    }
    findings.some("waypoint", value.waypoint.as_ref(), |findings, waypoint| {
        if findings.is_written("portNumber") && address::port(waypoint.port_number).is_err() {
            findings.error_at(
                "portNumber",
                "Invalid value: \"integer\": port must be between 1-65535",
            );
        }
    });
    findings.some("proxy", value.proxy.as_ref(), |findings, proxy| {
        if !proxy.proxy_version.is_empty() {
            findings.rule("proxyVersion", text::regex(&proxy.proxy_version));
        }
    });
}
