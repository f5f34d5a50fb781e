//! `ProxyConfig`: settings of the proxy itself, taken at its start.

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;

use crate::check::{Findings, scope};
use crate::parse::Body;
use crate::value::LabelSelector;

/// Settings for some proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// The workloads; absent is the whole namespace, or the mesh in the root namespace.
    pub selector: Option<LabelSelector>,
    /// Worker threads; 0 is one per core.
    pub concurrency: Option<i32>,
    /// Environment variables of the proxy container.
    pub environment_variables: BTreeMap<Str, Str>,
    /// The image.
    pub image: Option<ProxyImage>,
}

/// The image of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyImage {
    /// `default`, `debug` or `distroless`.
    pub image_type: Str,
}

impl Body for ProxyConfig {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        scope::selector(findings, self.selector.as_ref());
        if self.concurrency.is_some_and(|threads| threads < 0) {
            findings.error_at(
                "concurrency",
                "Invalid value: spec.concurrency in body should be greater than or equal to 0",
            );
        }
        findings.field("environmentVariables", |findings| {
            for (name, value) in &self.environment_variables {
                if name.is_empty() {
                    findings.error("Invalid value: \"object\": key must not be empty");
                }
                findings.max_length(name, value, 2048);
            }
        });
    }
}
