//! `ReferenceGrant`: objects of other namespaces that may refer to objects of this one.

use ferromesh_types::Str;
use serde::Deserialize;

use crate::check::{Findings, name};
use crate::parse::Body;

/// Who may refer to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReferenceGrant {
    /// Who; any one is enough.
    pub from: Vec<GrantFrom>,
    /// To what; any one is enough.
    pub to: Vec<GrantTo>,
}

/// Objects that refer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrantFrom {
    /// Their API group.
    pub group: Str,
    /// Their kind.
    pub kind: Str,
    /// Their namespace.
    pub namespace: Str,
}

/// Objects that are referred to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrantTo {
    /// Their API group; empty for the core kinds.
    pub group: Str,
    /// Their kind.
    pub kind: Str,
    /// The one with this name; empty is all.
    pub name: Str,
}

impl Body for ReferenceGrant {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        for (field, count) in [("from", self.from.len()), ("to", self.to.len())] {
            findings.required(field, count > 0);
            findings.max_items(field, count, 16);
        }
        findings.each("from", &self.from, |findings, from| {
            findings.required("group", findings.is_written("group"));
            findings.required("kind", !from.kind.is_empty());
            findings.rule("namespace", name::dns_label(&from.namespace));
        });
        findings.each("to", &self.to, |findings, to| {
            findings.required("group", findings.is_written("group"));
            findings.required("kind", !to.kind.is_empty());
        });
    }
}
