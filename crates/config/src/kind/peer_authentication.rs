//! `PeerAuthentication`: whether a workload accepts plain text, mutual TLS, or both.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::check::{Findings, address, scope};
use crate::parse::Body;
use crate::value::LabelSelector;

/// The mode of a mesh, a namespace or a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PeerAuthentication {
    /// The workloads; absent is the whole namespace, or the mesh in the root namespace.
    pub selector: Option<LabelSelector>,
    /// The mode; absent inherits.
    pub mtls: Option<MutualTls>,
    /// Modes of single ports of the workload.
    pub port_level_mtls: BTreeMap<u16, MutualTls>,
}

/// A mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MutualTls {
    /// The mode.
    pub mode: MutualTlsMode,
}

/// What a workload accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MutualTlsMode {
    /// As the level above says; PERMISSIVE where none does.
    #[default]
    Unset,
    /// Plain text only.
    Disable,
    /// Both.
    Permissive,
    /// Mutual TLS only.
    Strict,
}

impl Body for PeerAuthentication {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        scope::selector(findings, self.selector.as_ref());
        if !findings.is_written("portLevelMtls") {
            return;
        }
        if self.port_level_mtls.is_empty() {
            findings.error_at(
                "portLevelMtls",
                "Invalid value: 0: spec.portLevelMtls in body should have at least 1 properties",
            );
        }
        if self
            .selector
            .as_ref()
            .is_none_or(|selector| selector.match_labels.is_empty())
        {
            findings.error("Invalid value: \"object\": portLevelMtls requires selector");
        }
        for port in self.port_level_mtls.keys() {
            findings.rule("portLevelMtls", address::port(*port));
        }
    }
}
