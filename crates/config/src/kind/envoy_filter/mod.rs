//! `EnvoyFilter`: patches of the generated xDS resources.

mod check;
mod matches;

use serde::Deserialize;
use serde_json::Value;

use crate::value::{PolicyTargetReference, WorkloadLabels};

pub use matches::{
    ClusterMatch, FilterChainMatch, FilterMatch, ListenerMatch, ObjectMatch, PatchContext,
    ProxyMatch, RouteAction, RouteConfigurationMatch, RouteMatch, SubFilterMatch, VirtualHostMatch,
    WaypointFilterMatch, WaypointMatch, WaypointRouteMatch,
};

/// Patches for the proxies of some workloads.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvoyFilter {
    /// The workloads; absent is the whole namespace, or the mesh in the root namespace.
    pub workload_selector: Option<WorkloadLabels>,
    /// Objects that the patches are attached to.
    pub target_refs: Vec<PolicyTargetReference>,
    /// The patches, in order.
    pub config_patches: Vec<ConfigPatch>,
    /// Order among the objects, lowest first.
    pub priority: i32,
}

/// One patch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConfigPatch {
    /// What it patches.
    pub apply_to: ApplyTo,
    /// Which ones; absent is all.
    pub r#match: Option<ObjectMatch>,
    /// How.
    pub patch: Option<Patch>,
}

/// What a patch is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApplyTo {
    /// Not said.
    #[default]
    Invalid,
    /// A listener.
    Listener,
    /// A filter chain.
    FilterChain,
    /// A network filter.
    NetworkFilter,
    /// An HTTP filter.
    HttpFilter,
    /// A route configuration.
    RouteConfiguration,
    /// A virtual host.
    VirtualHost,
    /// A route.
    HttpRoute,
    /// A cluster.
    Cluster,
    /// An extension config that is served by ECDS.
    ExtensionConfig,
    /// The bootstrap.
    Bootstrap,
    /// A listener filter.
    ListenerFilter,
}

/// How a patch changes its object.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Patch {
    /// What happens.
    pub operation: PatchOperation,
    /// The object or the part of it, in Envoy's JSON.
    pub value: Option<Value>,
    /// Where a filter goes when `ADD` does not say.
    pub filter_class: FilterClass,
}

/// What happens to the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PatchOperation {
    /// Not said.
    #[default]
    Invalid,
    /// The value is merged into it.
    Merge,
    /// The value is added to the list.
    Add,
    /// It goes.
    Remove,
    /// The value goes before it.
    InsertBefore,
    /// The value goes after it.
    InsertAfter,
    /// The value goes to the front of the list.
    InsertFirst,
    /// The value takes its place.
    Replace,
}

/// Where an added filter goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FilterClass {
    /// Not said.
    #[default]
    Unspecified,
    /// After authentication.
    Authn,
    /// After authorization.
    Authz,
    /// Before statistics.
    Stats,
}
