//! Deployment, the template of pods.

use ferromesh_types::{Labels, Selector, Str};
use serde::Deserialize;

use super::PodSpec;

/// A deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// What was asked for.
    pub spec: DeploymentSpec,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentSpec {
    /// How many pods; absent is 1.
    pub replicas: Option<u32>,
    /// Which pods are its own.
    pub selector: WorkloadSelector,
    /// The pods.
    pub template: PodTemplate,
}

/// Which pods are its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSelector {
    /// Labels that they carry.
    pub match_labels: Selector,
}

/// A template of pods. The whole of it is in `raw` at `/spec/template`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels and annotations.
    pub metadata: TemplateMeta,
    /// The pod.
    pub spec: PodSpec,
}

/// Labels and annotations of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateMeta {
    /// A name, rarely set.
    pub name: Str,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
}
