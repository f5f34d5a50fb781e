//! `TrafficExtension`: a WebAssembly or Lua filter in the proxies of some workloads.

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::wasm_plugin::{
    self, FailStrategy, PluginPhase, PluginType, PullPolicy, TrafficSelector, VmConfig,
};
use crate::check::{Findings, scope};
use crate::parse::Body;
use crate::value::{LabelSelector, PolicyTargetReference};

/// A filter and where it runs. Exactly one of `wasm` and `lua` is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficExtension {
    /// The workloads; absent is the whole namespace, or the mesh in the root namespace.
    pub selector: Option<LabelSelector>,
    /// Objects that the filter is attached to.
    pub target_refs: Vec<PolicyTargetReference>,
    /// Where in the chain.
    pub phase: PluginPhase,
    /// Order within the phase, highest first.
    pub priority: Option<i32>,
    /// Which traffic; any one is enough, none is all.
    pub r#match: Vec<TrafficSelector>,
    /// A WebAssembly filter.
    pub wasm: Option<WasmConfig>,
    /// A Lua filter.
    pub lua: Option<LuaConfig>,
}

/// A WebAssembly filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WasmConfig {
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
    /// The filter's own configuration.
    pub plugin_config: Option<Map<String, Value>>,
    /// The name of the filter in the module.
    pub plugin_name: Str,
    /// What happens to requests when the filter fails.
    pub fail_strategy: FailStrategy,
    /// The virtual machine.
    pub vm_config: Option<VmConfig>,
    /// HTTP or network filter.
    pub r#type: PluginType,
}

/// A Lua filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LuaConfig {
    /// The script.
    pub inline_code: Str,
}

/// The longest script.
const LONGEST_SCRIPT: usize = 65_536;

impl Body for TrafficExtension {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        scope::policy_target(findings, self.selector.as_ref(), None, &self.target_refs);
        if self.wasm.is_some() == self.lua.is_some() {
            findings.error("Invalid value: \"object\": exactly one of wasm or lua must be set");
        }
        findings.some("wasm", self.wasm.as_ref(), |findings, wasm| {
            wasm_plugin::module(
                findings,
                &wasm.url,
                &wasm.sha256,
                &wasm.image_pull_secret,
                &wasm.plugin_name,
            );
            findings.some(
                "vmConfig",
                wasm.vm_config.as_ref(),
                wasm_plugin::virtual_machine,
            );
        });
        findings.some("lua", self.lua.as_ref(), |findings, lua| {
            findings.required("inlineCode", findings.is_written("inlineCode"));
            findings.min_length("inlineCode", 1);
            findings.max_length("inlineCode", &lua.inline_code, LONGEST_SCRIPT);
        });
        findings.each("match", &self.r#match, wasm_plugin::traffic);
    }
}
