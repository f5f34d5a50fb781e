//! The rules of references.

use ferromesh_types::Str;

use super::{BackendReference, LocalReference, ObjectReference, ParentReference, ServiceReference};
use crate::check::{Findings, name};

/// The greatest share of a backend.
const MAX_WEIGHT: u32 = 1_000_000;

/// What routes of all kinds begin with.
pub(super) fn parents(findings: &mut Findings<'_>, parents: &[ParentReference]) {
    findings.max_items("parentRefs", parents.len(), 32);
    findings.each("parentRefs", parents, |findings, parent| {
        required_name(findings, &parent.name);
        findings.required("kind", !parent.kind.is_empty());
        namespace(findings, &parent.namespace);
        port(findings, parent.port);
    });
    for (index, parent) in parents.iter().enumerate() {
        let before = &parents[..index];
        if before.contains(parent) {
            findings.error_at(
                &format!("parentRefs[{index}]"),
                "Invalid value: sectionName or port must be unique when parentRefs includes 2 or \
                 more references to the same parent",
            );
        } else if before.iter().any(|other| is_vague_beside(other, parent)) {
            findings.error_at(
                &format!("parentRefs[{index}]"),
                "Invalid value: sectionName or port must be specified when parentRefs includes 2 \
                 or more references to the same parent",
            );
        }
    }
}

/// Whether both name the same parent, and one of them all of it.
fn is_vague_beside(one: &ParentReference, other: &ParentReference) -> bool {
    let identity = |p: &ParentReference| {
        (
            p.group.clone(),
            p.kind.clone(),
            p.namespace.clone(),
            p.name.clone(),
        )
    };
    let is_whole = |p: &ParentReference| p.section_name.is_empty() && p.port.is_none();
    identity(one) == identity(other) && (is_whole(one) || is_whole(other))
}

/// The host names of a route.
pub(super) fn hostnames(findings: &mut Findings<'_>, hostnames: &[Str]) {
    findings.max_items("hostnames", hostnames.len(), 16);
    for (index, host) in hostnames.iter().enumerate() {
        findings.rule(&format!("hostnames[{index}]"), hostname(host));
    }
}

/// A host name in lower case, perhaps with a wildcard as its first label; no address.
pub(super) fn hostname(text: &str) -> Result<(), String> {
    name::host(text)?;
    if text == "*" {
        return Err("Invalid value: \"*\": leave the field out to name every host".into());
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!(
            "Invalid value: \"{text}\": a host name is written in lower case"
        ));
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err(format!(
            "Invalid value: \"{text}\": a host name is no address"
        ));
    }
    Ok(())
}

/// A host name without a wildcard, in the field of that name; empty is none.
pub(super) fn exact_hostname(findings: &mut Findings<'_>, host: &Str) {
    if !host.is_empty() {
        findings.rule("hostname", hostname(host));
        findings.rule("hostname", name::exact_host(host));
    }
}

/// The rules of what happens to requests on the way to one backend.
pub(super) type FilterRules<'a> = &'a dyn Fn(&mut Findings<'_>, &BackendReference);

/// The backends of a rule. `filters` says what may happen to requests on the way to one of them;
/// `None` for bytes, which have no filters.
pub(super) fn backends(
    findings: &mut Findings<'_>,
    backends: &[BackendReference],
    filters: Option<FilterRules<'_>>,
) {
    findings.max_items("backendRefs", backends.len(), 16);
    findings.each("backendRefs", backends, |findings, backend| {
        service(findings, &backend.target());
        if backend.weight > MAX_WEIGHT {
            findings.error_at(
                "weight",
                format!(
                    "Invalid value: {}: must be at most {MAX_WEIGHT}",
                    backend.weight
                ),
            );
        }
        match filters {
            Some(check) => check(findings, backend),
            None if findings.is_written("filters") => {
                findings.error_at("filters", "unknown field: this route has no filters");
            }
            None => {}
        }
    });
}

/// A destination.
pub(super) fn service(findings: &mut Findings<'_>, target: &ServiceReference) {
    required_name(findings, &target.name);
    findings.required("kind", !target.kind.is_empty());
    namespace(findings, &target.namespace);
    port(findings, target.port);
    let is_service = target.group.is_empty() && target.kind == "Service";
    if is_service && target.port.is_none() {
        findings.error_at(
            "port",
            "Required value: must have port for Service reference",
        );
    }
}

/// A Secret or ConfigMap.
pub(super) fn object(findings: &mut Findings<'_>, target: &ObjectReference) {
    required_name(findings, &target.name);
    findings.required("kind", !target.kind.is_empty());
    namespace(findings, &target.namespace);
}

/// An object of the same namespace.
pub(super) fn local(findings: &mut Findings<'_>, target: &LocalReference) {
    required_name(findings, &target.name);
    findings.required("kind", !target.kind.is_empty());
}

fn required_name(findings: &mut Findings<'_>, name: &Str) {
    findings.required("name", !name.is_empty());
    findings.max_length("name", name, 253);
}

fn namespace(findings: &mut Findings<'_>, namespace: &Str) {
    if !namespace.is_empty() {
        findings.rule("namespace", name::dns_label(namespace));
    }
}

/// A port, perhaps.
pub(super) fn port(findings: &mut Findings<'_>, port: Option<u16>) {
    if port == Some(0) {
        findings.error_at("port", "Invalid value: 0: must be between 1 and 65535");
    }
}
