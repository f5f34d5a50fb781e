//! `GatewayClass`: who serves the Gateways of a class.

use ferromesh_types::Str;
use serde::Deserialize;

use crate::check::Findings;
use crate::parse::Body;

/// A class of Gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayClass {
    /// Who serves its Gateways, as `domain/path`.
    pub controller_name: Str,
    /// Parameters for all Gateways of the class. Has no effect.
    pub parameters_ref: Option<ParametersReference>,
    /// What the class is for.
    pub description: Str,
}

/// An object with parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParametersReference {
    /// Its API group; empty for the core kinds.
    pub group: Str,
    /// Its kind.
    pub kind: Str,
    /// Its name.
    pub name: Str,
    /// Its namespace.
    pub namespace: Str,
}

impl Body for GatewayClass {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        match self.controller_name.split_once('/') {
            _ if self.controller_name.is_empty() => findings.required("controllerName", false),
            Some((domain, path)) if domain.contains('.') && !path.is_empty() => {}
            _ => findings.field("controllerName", |findings| {
                findings.no_match(&self.controller_name, "domain.example/path");
            }),
        }
        findings.max_length("description", &self.description, 64);
        findings.some(
            "parametersRef",
            self.parameters_ref.as_ref(),
            |findings, target| {
                findings.required("kind", !target.kind.is_empty());
                findings.required("name", !target.name.is_empty());
            },
        );
    }
}
