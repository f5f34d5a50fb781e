//! Subsets of clusters, and the criteria by which routes choose among them.

use std::mem::take;
use std::sync::Arc;

use ferromesh_proto::envoy::config::cluster::v3::cluster as detail;
use ferromesh_proto::envoy::config::cluster::v3::cluster::lb_subset_config as pb;
use ferromesh_proto::envoy::config::core::v3::Metadata;
use ferromesh_proto::structs;
use ferromesh_route::EndpointMatch;
use ferromesh_types::Str;
use serde_json::{Map, Value};

use super::fields::metadata_object;
use super::refusal::{At, Refusal, nothing_left};
use crate::cluster::subset::{Fallback, Selector, SelectorFallback, SubsetSettings};
use crate::stats::{Stats, SubsetStats};

/// Envoy's metadata namespace for load balancing.
pub(super) const NAMESPACE: &str = "envoy.lb";

/// Compiles what a route wants of endpoints, over what `base` wants.
pub(super) fn endpoint_match(
    metadata: Option<Metadata>,
    base: Option<&Arc<EndpointMatch>>,
) -> Option<Arc<EndpointMatch>> {
    let own = criteria(&metadata_object(metadata.as_ref(), NAMESPACE));
    match base {
        _ if own.is_empty() => base.cloned(),
        Some(base) => Some(Arc::new(base.overlaid(&own))),
        None => Some(Arc::new(own)),
    }
}

fn criteria(object: &Map<String, Value>) -> EndpointMatch {
    let each = |(name, value): (&String, &Value)| (name.as_str().into(), value.to_string().into());
    EndpointMatch::new(object.iter().map(each).collect())
}

/// Compiles the subsets of a cluster; `None` where it has none.
pub(super) fn compile(
    value: Option<detail::LbSubsetConfig>,
    (stats, prefix): (&Stats, &str),
) -> Result<Option<Arc<SubsetSettings>>, Refusal> {
    use pb::LbSubsetFallbackPolicy as Policy;
    let Some(mut value) = value else {
        return Ok(None);
    };
    let default = value.default_subset.take();
    let default = match default.as_ref().map(structs::to_json) {
        Some(Value::Object(object)) => criteria(&object),
        _ => EndpointMatch::default(),
    };
    let fallback = match value.fallback_policy() {
        Policy::NoFallback => Fallback::Nothing,
        Policy::AnyEndpoint => Fallback::Anything,
        Policy::DefaultSubset => Fallback::Default,
    };
    value.fallback_policy = 0;
    if value.metadata_fallback_policy() != pb::LbSubsetMetadataFallbackPolicy::MetadataNoFallback {
        return Err(Refusal::field(
            "metadata_fallback_policy",
            "is not supported",
        ));
    }
    let mut selectors = Vec::new();
    for (index, each) in take(&mut value.subset_selectors).into_iter().enumerate() {
        selectors.push(selector(each).at_index("subset_selectors", index)?);
    }
    let settings = SubsetSettings {
        fallback,
        default,
        selectors,
        locality_aware: take(&mut value.locality_weight_aware),
        scales_localities: take(&mut value.scale_locality_weight),
        panic_anything: take(&mut value.panic_mode_any),
        list_as_any: take(&mut value.list_as_any),
        stats: SubsetStats::new(stats, prefix),
    };
    nothing_left(&value)?;
    Ok((!settings.selectors.is_empty()).then(|| Arc::new(settings)))
}

fn selector(mut value: pb::LbSubsetSelector) -> Result<Selector, Refusal> {
    use pb::lb_subset_selector::LbSubsetSelectorFallbackPolicy as Policy;
    let names = sorted(take(&mut value.keys));
    if names.is_empty() {
        return Err(Refusal::field("keys", "at least one is needed"));
    }
    let fewer = sorted(take(&mut value.fallback_keys_subset));
    let fallback = match value.fallback_policy() {
        Policy::NotDefined => None,
        Policy::NoFallback => Some(SelectorFallback::As(Fallback::Nothing)),
        Policy::AnyEndpoint => Some(SelectorFallback::As(Fallback::Anything)),
        Policy::DefaultSubset => Some(SelectorFallback::As(Fallback::Default)),
        Policy::KeysSubset => {
            let contained = fewer.iter().all(|name| names.contains(name));
            if fewer.is_empty() || !contained || fewer.len() >= names.len() {
                let reason = "some of keys are needed, but not all of them";
                return Err(Refusal::field("fallback_keys_subset", reason));
            }
            Some(SelectorFallback::Names(fewer))
        }
    };
    value.fallback_policy = 0;
    // How the only endpoint of a subset is kept: ours are found by one look-up anyway.
    value.single_host_per_subset = false;
    nothing_left(&value)?;
    Ok(Selector { names, fallback })
}

fn sorted(names: Vec<String>) -> Vec<Str> {
    let mut names: Vec<Str> = names.into_iter().map(Str::from).collect();
    names.sort_unstable();
    names.dedup();
    names
}
