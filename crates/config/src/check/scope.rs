//! Rules about what an object is for: selectors, target references, visibility, gateways.

use ferromesh_types::{Selector, Str};

use super::{Findings, name};
use crate::value::{LabelSelector, PolicyTargetReference, WorkloadLabels};

/// Kinds that a policy can be attached to, with their groups.
const TARGETS: [(&str, &str); 6] = [
    ("", "Service"),
    ("core", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
    ("inference.networking.k8s.io", "InferencePool"),
];

/// `selector: {matchLabels: …}`.
pub(crate) fn selector(findings: &mut Findings<'_>, value: Option<&LabelSelector>) {
    findings.some("selector", value, |findings, value| {
        labels(findings, "matchLabels", &value.match_labels);
    });
}

/// `workloadSelector: {labels: …}`.
pub(crate) fn workload_selector(findings: &mut Findings<'_>, value: Option<&WorkloadLabels>) {
    findings.some("workloadSelector", value, |findings, value| {
        labels(findings, "labels", &value.labels);
    });
}

/// Labels that select.
pub(crate) fn labels(findings: &mut Findings<'_>, field: &str, selector: &Selector) {
    findings.field(field, |findings| {
        for (key, value) in selector.0.iter() {
            findings.rule_here(name::label_key(key));
            findings.rule(key, name::label_value(value));
        }
    });
}

/// `selector`, `targetRef` and `targetRefs`, of which one may be set.
pub(crate) fn policy_target(
    findings: &mut Findings<'_>,
    select: Option<&LabelSelector>,
    single: Option<&PolicyTargetReference>,
    several: &[PolicyTargetReference],
) {
    if findings.count_written(&["selector", "targetRef", "targetRefs"]) > 1 {
        findings.error("Invalid value: \"object\": only one of targetRefs or selector can be set");
    }
    selector(findings, select);
    findings.some("targetRef", single, target);
    target_refs(findings, several);
}

/// `targetRefs`.
pub(crate) fn target_refs(findings: &mut Findings<'_>, several: &[PolicyTargetReference]) {
    if several.len() > 16 {
        findings.error_at("targetRefs", "Too many: must have at most 16 items");
    }
    findings.each("targetRefs", several, target);
}

fn target(findings: &mut Findings<'_>, value: &PolicyTargetReference) {
    findings.required("kind", findings.is_written("kind"));
    findings.required("name", findings.is_written("name"));
    findings.min_length("kind", 1);
    findings.min_length("name", 1);
    if !value.namespace.is_empty() {
        findings.error_at(
            "namespace",
            "Invalid value: \"string\": cross namespace referencing is not currently supported",
        );
    }
    let known = TARGETS.contains(&(value.group.as_str(), value.kind.as_str()));
    if !value.kind.is_empty() && !known {
        findings.error(
            "Invalid value: \"object\": Support kinds are core/Service, \
             networking.istio.io/ServiceEntry, gateway.networking.k8s.io/Gateway",
        );
    }
}

/// `exportTo`: `.`, `*`, `~` or namespaces, none of them twice.
pub(crate) fn export_to(findings: &mut Findings<'_>, values: &[Str]) {
    let mut before: Vec<&Str> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let field = format!("exportTo[{index}]");
        if before.contains(&value) {
            findings.error_at(&field, format!("Duplicate value: \"{value}\""));
        }
        before.push(value);
        if !matches!(value.as_str(), "." | "*" | "~") {
            findings.rule(&field, name::dns_label(value));
        }
    }
}

/// `gateways`: `name`, `namespace/name` or `mesh`.
pub(crate) fn gateway_names(findings: &mut Findings<'_>, values: &[Str]) {
    for (index, value) in values.iter().enumerate() {
        findings.rule(&format!("gateways[{index}]"), gateway_name(value));
    }
}

fn gateway_name(value: &str) -> Result<(), String> {
    match value.split_once('/') {
        None => name::object_name(value),
        Some((".", gateway)) => name::object_name(gateway),
        Some((namespace, gateway)) => {
            name::dns_label(namespace)?;
            name::object_name(gateway)
        }
    }
}
