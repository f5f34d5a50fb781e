//! `WasmPlugin`: a WebAssembly filter in the proxies of some workloads.

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::value::{LabelSelector, PolicyTargetReference, WorkloadMode};

/// A plugin and where it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WasmPlugin {
    /// The workloads; absent is the whole namespace, or the mesh in the root namespace.
    pub selector: Option<LabelSelector>,
    /// Older, single spelling of `targetRefs`.
    pub target_ref: Option<PolicyTargetReference>,
    /// Objects that the plugin is attached to.
    pub target_refs: Vec<PolicyTargetReference>,
    /// Where the module is: `oci://` (default), `http(s)://`, `file://`.
    pub url: Str,
    /// Its checksum.
    pub sha256: Str,
    /// When it is fetched.
    pub image_pull_policy: PullPolicy,
    /// A Secret with registry credentials.
    pub image_pull_secret: Str,
    /// Declared by the API and without effect.
    pub verification_key: Str,
    /// The plugin's own configuration.
    pub plugin_config: Option<Map<String, Value>>,
    /// The name of the plugin in the module.
    pub plugin_name: Str,
    /// What happens to requests when the plugin fails.
    pub fail_strategy: FailStrategy,
    /// Where in the chain.
    pub phase: PluginPhase,
    /// Order within the phase, highest first.
    pub priority: Option<i32>,
    /// The virtual machine.
    pub vm_config: Option<VmConfig>,
    /// Which traffic; any one is enough, none is all.
    pub r#match: Vec<TrafficSelector>,
    /// HTTP or network filter.
    pub r#type: PluginType,
}

/// When a module is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum PullPolicy {
    /// IfNotPresent, and Always for the tag `latest`.
    #[default]
    #[serde(rename = "UNSPECIFIED_POLICY")]
    Unspecified,
    /// Once.
    IfNotPresent,
    /// Each time the object changes.
    Always,
}

/// What happens to requests when a plugin fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailStrategy {
    /// They are refused.
    #[default]
    FailClose,
    /// They pass without the plugin.
    FailOpen,
    /// The machine is started again; until then they are refused.
    FailReload,
}

/// Where in the chain a plugin runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum PluginPhase {
    /// At the end, before the router.
    #[default]
    #[serde(rename = "UNSPECIFIED_PHASE", alias = "EXECUTION_PHASE_UNSPECIFIED")]
    Unspecified,
    /// Before authentication.
    #[serde(rename = "AUTHN", alias = "EXECUTION_PHASE_AUTHN")]
    Authn,
    /// After authentication, before authorization.
    #[serde(rename = "AUTHZ", alias = "EXECUTION_PHASE_AUTHZ")]
    Authz,
    /// After authorization, before statistics.
    #[serde(rename = "STATS", alias = "EXECUTION_PHASE_STATS")]
    Stats,
}

/// HTTP or network filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum PluginType {
    /// HTTP.
    #[default]
    #[serde(rename = "UNSPECIFIED_PLUGIN_TYPE")]
    Unspecified,
    /// HTTP.
    #[serde(rename = "HTTP")]
    Http,
    /// Network.
    #[serde(rename = "NETWORK")]
    Network,
}

/// The virtual machine of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VmConfig {
    /// Environment variables that it sees.
    pub env: Vec<EnvVar>,
}

/// An environment variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvVar {
    /// Its name.
    pub name: Str,
    /// Where the value comes from.
    pub value_from: EnvValueSource,
    /// The value, for INLINE.
    pub value: Str,
}

/// Where the value of a variable comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EnvValueSource {
    /// From the object.
    #[default]
    Inline,
    /// From the proxy's environment.
    Host,
}

/// Some traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficSelector {
    /// The side.
    pub mode: WorkloadMode,
    /// Ports; none is all.
    pub ports: Vec<PortNumber>,
}

/// A port by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortNumber {
    /// The number.
    pub number: u16,
}
