//! Which workloads an object is for: selectors in their two spellings, and target references.

use ferromesh_types::{Selector, Str};
use serde::{Deserialize, Serialize};

/// `selector: {matchLabels: …}`, the spelling of the policy kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LabelSelector {
    /// Labels that a workload must carry; none selects everything.
    pub match_labels: Selector,
}

/// `workloadSelector: {labels: …}`, the spelling of the networking kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadLabels {
    /// Labels that a workload must carry; none selects everything.
    pub labels: Selector,
}

/// An object that a policy is attached to instead of selecting workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PolicyTargetReference {
    /// API group of the target; empty for core kinds.
    pub group: Str,
    /// Kind of the target.
    pub kind: Str,
    /// Name of the target.
    pub name: Str,
    /// Namespace of the target; only the policy's own is allowed.
    pub namespace: Str,
}

/// The side of the traffic that a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkloadMode {
    /// Not said: both sides.
    #[default]
    Undefined,
    /// Requests that the workload makes.
    Client,
    /// Requests that the workload serves.
    Server,
    /// Both.
    ClientAndServer,
}
