//! Containers: command, environment, mounts, probes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Handler, Probe};

/// One container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Name, unique in the pod.
    pub name: String,
    /// Image; the image table turns it into a local command.
    pub image: String,
    /// Replaces the image's entry point.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Where the command starts.
    pub working_dir: String,
    /// Environment.
    pub env: Vec<EnvVar>,
    /// Whole ConfigMaps and Secrets as environment.
    pub env_from: Vec<EnvFrom>,
    /// Ports that the container says it listens on.
    pub ports: Vec<ContainerPort>,
    /// Mounted volumes.
    pub volume_mounts: Vec<VolumeMount>,
    /// Gates readiness.
    pub readiness_probe: Option<Probe>,
    /// Failing restarts the container.
    pub liveness_probe: Option<Probe>,
    /// Holds the other probes back until it has succeeded.
    pub startup_probe: Option<Probe>,
    /// Hooks.
    pub lifecycle: Lifecycle,
    /// User and group.
    pub security_context: SecurityContext,
    /// Requests and limits; read by `resourceFieldRef` only.
    pub resources: Resources,
    /// `Always` on an init container makes it a sidecar that keeps running.
    pub restart_policy: Option<String>,
}

/// A declared port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Name that probes and services may use.
    pub name: String,
    /// Number.
    pub container_port: u16,
    /// `TCP`, `UDP`; empty is TCP.
    pub protocol: String,
}

/// One environment variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value, with `$(OTHER)` expanded.
    pub value: Option<String>,
    /// Where the value comes from instead.
    pub value_from: Option<EnvSource>,
}

/// Source of a variable; exactly one member is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvSource {
    /// A field of the pod.
    pub field_ref: Option<FieldRef>,
    /// A request or limit.
    pub resource_field_ref: Option<ResourceFieldRef>,
    /// A key of a ConfigMap.
    pub config_map_key_ref: Option<KeyRef>,
    /// A key of a Secret.
    pub secret_key_ref: Option<KeyRef>,
}

/// A path into the pod, as `metadata.labels['app']`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// The path.
    pub field_path: String,
}

/// A request or limit of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFieldRef {
    /// Which container; empty is this one.
    pub container_name: String,
    /// `limits.cpu`, `requests.memory`, ….
    pub resource: String,
    /// The unit of the result.
    pub divisor: Option<serde_json::Value>,
}

/// A key of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyRef {
    /// Name of the object.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// Whether its absence is fine.
    pub optional: bool,
}

/// A whole object as environment; exactly one member is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFrom {
    /// Put before each key.
    pub prefix: String,
    /// A ConfigMap.
    pub config_map_ref: Option<NameRef>,
    /// A Secret.
    pub secret_ref: Option<NameRef>,
}

/// The name of an object that may be optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NameRef {
    /// Name.
    pub name: String,
    /// Whether its absence is fine.
    pub optional: bool,
}

/// Where a volume appears in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    /// Name of the volume.
    pub name: String,
    /// Path in the container.
    pub mount_path: String,
    /// Only this part of the volume.
    pub sub_path: String,
    /// Mounted without write access.
    pub read_only: bool,
}

/// Hooks around the container's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    /// Runs after the start; the next container waits for it.
    pub post_start: Option<Handler>,
    /// Runs before SIGTERM.
    pub pre_stop: Option<Handler>,
}

/// User and group of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    /// User id.
    pub run_as_user: Option<u32>,
    /// Group id.
    pub run_as_group: Option<u32>,
    /// Refuse to run as root.
    pub run_as_non_root: Option<bool>,
}

/// Requests and limits.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Upper bounds.
    pub limits: BTreeMap<String, serde_json::Value>,
    /// Reservations.
    pub requests: BTreeMap<String, serde_json::Value>,
}
