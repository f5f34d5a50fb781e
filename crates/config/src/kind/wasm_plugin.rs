//! `WasmPlugin`: a WebAssembly filter in the proxies of some workloads.

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::check::{Findings, address, scope, text};
use crate::parse::Body;
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

impl Body for WasmPlugin {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        scope::policy_target(
            findings,
            self.selector.as_ref(),
            self.target_ref.as_ref(),
            &self.target_refs,
        );
        module(
            findings,
            &self.url,
            &self.sha256,
            &self.image_pull_secret,
            &self.plugin_name,
        );
        findings.some("vmConfig", self.vm_config.as_ref(), virtual_machine);
        findings.each("match", &self.r#match, traffic);
    }
}

/// The rules of a module's place, checksum and names.
pub(crate) fn module(
    findings: &mut Findings<'_>,
    url: &str,
    sha256: &str,
    image_pull_secret: &str,
    plugin_name: &str,
) {
    findings.required("url", findings.is_written("url"));
    findings.min_length("url", 1);
    if !url.is_empty() && !is_module_url(url) {
        findings.error_at(
            "url",
            "Invalid value: \"string\": url must have schema one of [http, https, file, oci]",
        );
    }
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if !sha256.is_empty() && (sha256.len() != 64 || !sha256.bytes().all(hex)) {
        findings.field("sha256", |findings| {
            findings.no_match(sha256, "(^$|^[a-f0-9]{64}$)");
        });
    }
    findings.min_length("imagePullSecret", 1);
    findings.max_length("imagePullSecret", image_pull_secret, 253);
    findings.min_length("pluginName", 1);
    findings.max_length("pluginName", plugin_name, 256);
}

/// With one of the schemes, or without a scheme: then it names an image.
fn is_module_url(url: &str) -> bool {
    match url.split_once("://") {
        Some(_) => matches!(
            text::url_scheme(url).as_deref(),
            Some("http" | "https" | "file" | "oci")
        ),
        None => text::url_scheme(&format!("http://{url}")).is_some() && !url.starts_with('#'),
    }
}

/// The rules of the environment.
pub(crate) fn virtual_machine(findings: &mut Findings<'_>, vm: &VmConfig) {
    findings.max_items("env", vm.env.len(), 256);
    findings.each("env", &vm.env, |findings, variable| {
        findings.required("name", findings.is_written("name"));
        findings.min_length("name", 1);
        findings.max_length("name", &variable.name, 256);
        findings.max_length("value", &variable.value, 2048);
        if variable.value_from == EnvValueSource::Host && findings.is_written("value") {
            findings
                .error("Invalid value: \"object\": value may only be set when valueFrom is INLINE");
        }
    });
    for (index, variable) in vm.env.iter().enumerate() {
        if vm.env[..index]
            .iter()
            .any(|other| other.name == variable.name)
        {
            findings.error_at(
                &format!("env[{index}]"),
                format!("Duplicate value: {{\"name\":\"{}\"}}", variable.name),
            );
        }
    }
}

/// The rules of a traffic selector.
pub(crate) fn traffic(findings: &mut Findings<'_>, selector: &TrafficSelector) {
    findings.each("ports", &selector.ports, |findings, port| {
        findings.required("number", findings.is_written("number"));
        if findings.is_written("number") {
            findings.rule("number", address::port(port.number));
        }
    });
    for (index, port) in selector.ports.iter().enumerate() {
        if selector.ports[..index].contains(port) {
            findings.error_at(
                &format!("ports[{index}]"),
                format!("Duplicate value: {{\"number\":{}}}", port.number),
            );
        }
    }
}
