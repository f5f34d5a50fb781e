//! The rules of AuthorizationPolicy beyond its types.

use ferromesh_types::Str;

use super::{Action, AuthorizationPolicy, Condition, Operation, Rule, Source};
use crate::check::{Findings, address, scope};
use crate::parse::Body;

/// Attributes that a condition can be about; those that end in `[` want a key in brackets.
const ATTRIBUTES: [&str; 16] = [
    "request.headers[",
    "request.auth.claims[",
    "experimental.envoy.filters.",
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "destination.labels[",
    "destination.user",
    "connection.sni",
];

impl Body for AuthorizationPolicy {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        scope::policy_target(
            findings,
            self.selector.as_ref(),
            self.target_ref.as_ref(),
            &self.target_refs,
        );
        self.check_action(findings);
        findings.max_items("rules", self.rules.len(), 512);
        findings.each("rules", &self.rules, rule);
    }
}

impl AuthorizationPolicy {
    fn check_action(&self, findings: &mut Findings<'_>) {
        if matches!(self.action, Action::Deny | Action::Custom) && self.rules.is_empty() {
            let action = if self.action == Action::Deny {
                "DENY"
            } else {
                "CUSTOM"
            };
            findings.error_at(
                "rules",
                format!(
                    "Required value: {action} action without rules is meaningless as it will \
                     never be triggered, add an empty rule {{}} if you want it be triggered for \
                     every request"
                ),
            );
        }
        match (&self.provider, self.action) {
            (None, Action::Custom) => findings.error_at(
                "provider",
                "Required value: CUSTOM action needs the name of a provider",
            ),
            (Some(provider), Action::Custom) => findings.field("provider", |findings| {
                findings.required("name", !provider.name.is_empty());
            }),
            (Some(_), _) => findings.error_at(
                "provider",
                "Invalid value: must not be set when action is not CUSTOM",
            ),
            (None, _) => {}
        }
    }
}

fn rule(findings: &mut Findings<'_>, rule: &Rule) {
    for (field, empty) in [
        ("from", rule.from.is_empty()),
        ("to", rule.to.is_empty()),
        ("when", rule.when.is_empty()),
    ] {
        if findings.is_written(field) && empty {
            findings.error_at(
                field,
                "Invalid value: must have at least one item where it is set",
            );
        }
    }
    findings.max_items("from", rule.from.len(), 512);
    findings.each("from", &rule.from, |findings, from| match &from.source {
        None => findings.required("source", false),
        Some(value) => findings.field("source", |findings| source(findings, value)),
    });
    findings.each("to", &rule.to, |findings, to| match &to.operation {
        None => findings.required("operation", false),
        Some(value) => findings.field("operation", |findings| operation(findings, value)),
    });
    findings.each("when", &rule.when, condition);
}

fn source(findings: &mut Findings<'_>, value: &Source) {
    if *value == Source::default() {
        findings.error("Required value: a source must have at least one field");
    }
    let accounts = ["serviceAccounts", "notServiceAccounts"];
    let others = ["principals", "notPrincipals", "namespaces", "notNamespaces"];
    if findings.count_written(&accounts) > 0 && findings.count_written(&others) > 0 {
        findings.error(
            "Invalid value: \"object\": Cannot set serviceAccounts with namespaces or principals",
        );
    }
    for (field, values) in [
        ("principals", &value.principals),
        ("notPrincipals", &value.not_principals),
        ("requestPrincipals", &value.request_principals),
        ("notRequestPrincipals", &value.not_request_principals),
        ("namespaces", &value.namespaces),
        ("notNamespaces", &value.not_namespaces),
        ("trustDomains", &value.trust_domains),
        ("notTrustDomains", &value.not_trust_domains),
    ] {
        findings.no_empty_texts(field, values);
    }
    for (field, values) in [
        (accounts[0], &value.service_accounts),
        (accounts[1], &value.not_service_accounts),
    ] {
        findings.max_items(field, values.len(), 16);
        findings.each(field, values, service_account);
    }
    for (field, blocks) in [
        ("ipBlocks", &value.ip_blocks),
        ("notIpBlocks", &value.not_ip_blocks),
        ("remoteIpBlocks", &value.remote_ip_blocks),
        ("notRemoteIpBlocks", &value.not_remote_ip_blocks),
    ] {
        findings.each(field, blocks, |findings, block| {
            findings.rule_here(address::ip_or_cidr(block));
        });
    }
}

/// `NAMESPACE/ACCOUNT` or `ACCOUNT`.
fn service_account(findings: &mut Findings<'_>, text: &Str) {
    if text.is_empty() {
        findings.too_short(1);
    } else if text.len() > 320 {
        findings.error("Too long: may not be more than 320 bytes");
    } else if text.contains('*')
        || text.split('/').count() > 2
        || text.split('/').any(str::is_empty)
    {
        findings.error(format!(
            "Invalid value: \"{text}\": must be <namespace>/<serviceAccount> or <serviceAccount>, \
             without wildcards"
        ));
    }
}

fn operation(findings: &mut Findings<'_>, value: &Operation) {
    if *value == Operation::default() {
        findings.error("Required value: an operation must have at least one field");
    }
    for (field, values) in [
        ("hosts", &value.hosts),
        ("notHosts", &value.not_hosts),
        ("methods", &value.methods),
        ("notMethods", &value.not_methods),
        ("paths", &value.paths),
        ("notPaths", &value.not_paths),
    ] {
        findings.no_empty_texts(field, values);
    }
    for (field, paths) in [("paths", &value.paths), ("notPaths", &value.not_paths)] {
        findings.each(field, paths, |findings, path| {
            findings.rule_here(path_template(path));
        });
    }
    for (field, ports) in [("ports", &value.ports), ("notPorts", &value.not_ports)] {
        findings.each(field, ports, |findings, port| {
            findings.rule_here(match port.parse::<u16>() {
                Ok(number) => address::port(number),
                Err(_) => Err(format!(
                    "Invalid value: \"{port}\": port must be between 1-65535"
                )),
            });
        });
    }
}

/// `/users/{*}/items/{**}`: `{*}` is one segment, `{**}` any number of them, and only the last.
fn path_template(path: &str) -> Result<(), String> {
    if !path.contains(['{', '}']) {
        return Ok(());
    }
    let refused = |why: &str| Err(format!("Invalid value: \"{path}\": {why}"));
    let segments: Vec<&str> = path.split('/').collect();
    let deep = segments.iter().position(|segment| *segment == "{**}");
    for segment in &segments {
        if matches!(*segment, "{*}" | "{**}") {
            continue;
        }
        if segment.contains(['{', '}']) {
            return refused("only {*} and {**} may stand in braces, as whole segments");
        }
        if segment.contains('*') {
            return refused("'*' cannot be combined with {*} and {**}");
        }
    }
    match deep {
        Some(at)
            if segments[at + 1..]
                .iter()
                .any(|segment| segment.starts_with('{')) =>
        {
            refused("{**} is the last operator")
        }
        _ => Ok(()),
    }
}

fn condition(findings: &mut Findings<'_>, value: &Condition) {
    if value.key.is_empty() {
        findings.required("key", false);
    } else if !is_attribute(&value.key) {
        findings.error_at(
            "key",
            format!("Invalid value: \"{}\": unknown attribute", value.key),
        );
    }
    if value.values.is_empty() && value.not_values.is_empty() {
        findings.error("Required value: at least one of values or notValues must be set");
    }
    let addresses = matches!(
        value.key.as_str(),
        "source.ip" | "remote.ip" | "destination.ip"
    );
    for (field, values) in [("values", &value.values), ("notValues", &value.not_values)] {
        findings.each(field, values, |findings, text| {
            if text.is_empty() {
                findings.too_short(1);
            } else if addresses {
                findings.rule_here(address::ip_or_cidr(text));
            } else if value.key == "destination.port" && text.parse::<u16>().is_err() {
                findings.error(format!(
                    "Invalid value: \"{text}\": port must be between 1-65535"
                ));
            }
        });
    }
}

fn is_attribute(key: &str) -> bool {
    ATTRIBUTES.iter().any(|known| {
        if known.ends_with(['[', '.']) {
            let bracketed = !known.ends_with('[') || key.ends_with(']');
            key.len() > known.len() && key.starts_with(known) && bracketed
        } else {
            key == *known
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_templates_end_with_their_deep_operator() {
        for good in ["/a/{*}/b", "/a/{**}", "/{*}/{**}", "/a*", "/{**}/b"] {
            assert_eq!(path_template(good), Ok(()), "{good}");
        }
        for bad in ["/{**}/{*}", "/a{*}", "/{x}", "/{*}/b*"] {
            assert!(path_template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn attributes_are_known_by_name_or_with_a_key_in_brackets() {
        assert!(is_attribute("request.headers[x-token]"));
        assert!(is_attribute("request.auth.claims[a][b]"));
        assert!(is_attribute("source.ip"));
        assert!(!is_attribute("request.headers"));
        assert!(!is_attribute("request.headers[x"));
        assert!(!is_attribute("source.port"));
    }
}
