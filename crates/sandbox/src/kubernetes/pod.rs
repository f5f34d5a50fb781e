//! Pods.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Container, Metadata, Volume};

/// A pod as the sandbox reads it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// Metadata.
    pub metadata: Metadata,
    /// What to run.
    pub spec: PodSpec,
}

/// What a pod runs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Run one after the other before the containers.
    pub init_containers: Vec<Container>,
    /// The containers.
    pub containers: Vec<Container>,
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// Identity; empty is `default`.
    pub service_account_name: String,
    /// Where the pod must run; empty lets the sandbox choose.
    pub node_name: String,
    /// Labels that the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// When containers are started again.
    pub restart_policy: RestartPolicy,
    /// Seconds between SIGTERM and SIGKILL.
    pub termination_grace_period_seconds: Option<u64>,
    /// User and group of all containers.
    pub security_context: PodSecurityContext,
    /// Share the host's network; refused.
    pub host_network: bool,
    /// Host name inside; empty is the pod's name.
    pub hostname: String,
    /// Name of the headless service that gives the pod its own DNS name.
    pub subdomain: String,
}

/// User and group of all containers of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSecurityContext {
    /// User id.
    pub run_as_user: Option<u32>,
    /// Group id.
    pub run_as_group: Option<u32>,
    /// Group that owns the volumes, and extra group of every container.
    pub fs_group: Option<u32>,
    /// Extra groups.
    pub supplemental_groups: Vec<u32>,
}

/// When containers are started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum RestartPolicy {
    /// Whenever they end.
    #[default]
    Always,
    /// When they end with an error.
    OnFailure,
    /// Never.
    Never,
}

impl Pod {
    /// The service account, with its default.
    pub fn service_account(&self) -> &str {
        match self.spec.service_account_name.as_str() {
            "" => "default",
            name => name,
        }
    }

    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }
}
