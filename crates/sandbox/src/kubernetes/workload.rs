//! Deployments.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Metadata, PortRef};

/// A deployment as the sandbox reads it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// Metadata.
    pub metadata: Metadata,
    /// What it keeps running.
    pub spec: DeploymentSpec,
}

/// What a deployment keeps running.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentSpec {
    /// How many pods; absent is one.
    pub replicas: Option<u32>,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// What the pods look like; kept as JSON so that injection sees all of it.
    pub template: serde_json::Value,
    /// How pods are replaced.
    pub strategy: Strategy,
}

/// Labels that must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// The pairs.
    pub match_labels: BTreeMap<String, String>,
}

/// A pod template's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels and annotations of the pods.
    pub metadata: Metadata,
}

/// How pods are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    /// `RollingUpdate` (also when empty) or `Recreate`.
    pub r#type: String,
    /// Bounds of a rolling update.
    pub rolling_update: RollingUpdate,
}

/// Bounds of a rolling update, as numbers or percentages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollingUpdate {
    /// How many pods more than wanted; absent is 25 %, rounded up.
    pub max_surge: Option<PortRef>,
    /// How many pods fewer than wanted; absent is 25 %, rounded down.
    pub max_unavailable: Option<PortRef>,
}
