//! `TLSRoute` and `TCPRoute`: where connections go whose bytes are not read.

use ferromesh_types::Str;
use serde::Deserialize;

use super::{BackendReference, ParentReference, reference_check};
use crate::check::Findings;
use crate::parse::Body;

/// Connections with TLS, by server name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsRoute {
    /// What the route is attached to.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it is attached to default Gateways as well. Has no effect.
    pub use_default_gateways: Str,
    /// The server names; empty is all of the listener.
    pub hostnames: Vec<Str>,
    /// The rules, of which the first counts.
    pub rules: Vec<Layer4Rule>,
}

/// Connections of any kind.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpRoute {
    /// What the route is attached to.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it is attached to default Gateways as well. Has no effect.
    pub use_default_gateways: Str,
    /// The rules, of which the first counts.
    pub rules: Vec<Layer4Rule>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Layer4Rule {
    /// A name, unique in the route.
    pub name: Str,
    /// Where the connections go.
    pub backend_refs: Vec<BackendReference>,
}

impl Body for TlsRoute {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        reference_check::parents(findings, &self.parent_refs);
        reference_check::hostnames(findings, &self.hostnames);
        rules(findings, &self.rules);
    }
}

impl Body for TcpRoute {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        reference_check::parents(findings, &self.parent_refs);
        rules(findings, &self.rules);
    }
}

fn rules(findings: &mut Findings<'_>, rules: &[Layer4Rule]) {
    findings.required("rules", !rules.is_empty());
    findings.max_items("rules", rules.len(), 1);
    findings.each("rules", rules, |findings, rule| {
        findings.required("backendRefs", !rule.backend_refs.is_empty());
        reference_check::backends(findings, &rule.backend_refs, None);
    });
}
