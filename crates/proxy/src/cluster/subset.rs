//! Subsets of a cluster's endpoints, by their metadata (`lb_subset_config`).
//!
//! A set of endpoints comes with one set more for each combination of values that a selector's keys
//! have among them, found by the text of the criteria: a pick costs one look-up, however many
//! subsets there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ferromesh_route::EndpointMatch;
use ferromesh_route::endpoint_match::key;
use ferromesh_types::{Locality, Str};
use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::set::{EndpointSet, LocalityWeights, SetSettings};
use crate::stats::SubsetStats;

/// What happens to a request for which there is no subset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// It gets no endpoint.
    #[default]
    Nothing,
    /// Any endpoint will do.
    Anything,
    /// One of the default subset.
    Default,
}

/// Keys by which subsets are made.
#[derive(Clone, Debug)]
pub struct Selector {
    /// The keys, sorted.
    pub names: Vec<Str>,
    /// What happens when no endpoint has the values; `None` leaves it to the cluster.
    pub fallback: Option<SelectorFallback>,
}

/// What happens when no endpoint has the values of a selector's keys.
#[derive(Clone, Debug)]
pub enum SelectorFallback {
    /// What a cluster could do, too.
    As(Fallback),
    /// Only these keys count.
    Names(Vec<Str>),
}

/// How a cluster makes subsets.
#[derive(Clone, Debug)]
pub struct SubsetSettings {
    /// For requests that name no subset, or one that nobody knows.
    pub fallback: Fallback,
    /// The default subset.
    pub default: EndpointMatch,
    /// By which keys.
    pub selectors: Vec<Selector>,
    /// Whether the localities' weights count in subsets.
    pub locality_aware: bool,
    /// Whether they are scaled by the share of the locality's endpoints that are in the subset.
    pub scales_localities: bool,
    /// Whether any endpoint will do where the default subset has none that is healthy.
    pub panic_anything: bool,
    /// Whether each value of a list counts as the endpoint's.
    pub list_as_any: bool,
    /// Numbers.
    pub stats: SubsetStats,
}

/// The prepared subsets of one set of endpoints.
#[derive(Debug, Default)]
pub(crate) struct Subsets {
    by_criteria: HashMap<Str, EndpointSet>,
    default: Option<Box<EndpointSet>>,
}

impl Subsets {
    /// Prepares the subsets of `endpoints`.
    pub(crate) fn new(
        settings: &SubsetSettings,
        endpoints: &[Arc<Endpoint>],
        weights: &LocalityWeights,
        mut common: SetSettings,
    ) -> Self {
        common.locality_weighted &= settings.locality_aware;
        let make = |members: Vec<Arc<Endpoint>>| {
            let scaled;
            let weights = if settings.scales_localities {
                scaled = scaled_weights(weights, endpoints, &members);
                &scaled
            } else {
                weights
            };
            EndpointSet::new(members, weights, common, Str::default())
        };
        let mut members: BTreeMap<Str, Vec<Arc<Endpoint>>> = BTreeMap::new();
        for selector in &settings.selectors {
            for endpoint in endpoints {
                for key in keys(&selector.names, &endpoint.metadata, settings.list_as_any) {
                    let members = members.entry(key).or_default();
                    // Two selectors may have the same keys.
                    if !members.iter().any(|known| Arc::ptr_eq(known, endpoint)) {
                        members.push(Arc::clone(endpoint));
                    }
                }
            }
        }
        let default =
            (settings.fallback == Fallback::Default || settings.uses_default()).then(|| {
                let names: Vec<Str> = settings.default.names().cloned().collect();
                let wanted = settings.default.key();
                let fits = |endpoint: &&Arc<Endpoint>| {
                    let keys = keys(&names, &endpoint.metadata, settings.list_as_any);
                    keys.iter().any(|key| &**key == wanted)
                };
                Box::new(make(endpoints.iter().filter(fits).cloned().collect()))
            });
        let made = members.into_iter();
        let by_criteria: HashMap<Str, EndpointSet> =
            made.map(|(key, members)| (key, make(members))).collect();
        settings
            .stats
            .lb_subsets_active()
            .set(by_criteria.len() as u64);
        Self {
            by_criteria,
            default,
        }
    }

    /// The set to pick from; `None` when there is to be no endpoint.
    pub(crate) fn find<'s>(
        &'s self,
        settings: &SubsetSettings,
        all: &'s EndpointSet,
        wanted: Option<&EndpointMatch>,
    ) -> Option<&'s EndpointSet> {
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
            return self.fall_back(settings, settings.fallback, all);
        };
        if let Some(set) = self.by_criteria.get(wanted.key()) {
            settings.stats.lb_subsets_selected().inc();
            return Some(set);
        }
        let mut selectors = settings.selectors.iter();
        let selector = selectors.find(|selector| wanted.names().eq(&selector.names));
        match selector.and_then(|selector| selector.fallback.as_ref()) {
            Some(SelectorFallback::Names(names)) => {
                // Fewer keys each time, so that this ends.
                self.find(settings, all, Some(&wanted.restricted(names)))
            }
            Some(SelectorFallback::As(fallback)) => self.fall_back(settings, *fallback, all),
            None => self.fall_back(settings, settings.fallback, all),
        }
    }

    fn fall_back<'s>(
        &'s self,
        settings: &SubsetSettings,
        fallback: Fallback,
        all: &'s EndpointSet,
    ) -> Option<&'s EndpointSet> {
        let set = match fallback {
            Fallback::Nothing => return None,
            Fallback::Anything => all,
            Fallback::Default => self.default.as_deref()?,
        };
        if set.usable == 0 && settings.panic_anything {
            settings.stats.lb_subsets_fallback_panic().inc();
            return Some(all);
        }
        settings.stats.lb_subsets_fallback().inc();
        Some(set)
    }
}

impl SubsetSettings {
    fn uses_default(&self) -> bool {
        let fallbacks = self
            .selectors
            .iter()
            .filter_map(|each| each.fallback.as_ref());
        let mut defaults = fallbacks
            .filter(|fallback| matches!(fallback, SelectorFallback::As(Fallback::Default)));
        defaults.next().is_some()
    }
}

/// The texts of the values that an endpoint has for all of `names`; none where one is missing.
fn keys(names: &[Str], metadata: &Map<String, Value>, list_as_any: bool) -> Vec<Str> {
    let mut combinations: Vec<Vec<String>> = vec![Vec::new()];
    for name in names {
        let values: Vec<String> = match metadata.get(name.as_str()) {
            None => return Vec::new(),
            Some(Value::Array(list)) if list_as_any => list.iter().map(Value::to_string).collect(),
            Some(value) => vec![value.to_string()],
        };
        combinations = combinations
            .iter()
            .flat_map(|begun| {
                values.iter().map(|value| {
                    let mut longer = begun.clone();
                    longer.push(value.clone());
                    longer
                })
            })
            .collect();
    }
    let text = |values: Vec<String>| {
        let values = values.iter().map(String::as_str);
        key(names.iter().map(Str::as_str).zip(values))
    };
    combinations.into_iter().map(text).collect()
}

fn scaled_weights(
    weights: &LocalityWeights,
    all: &[Arc<Endpoint>],
    members: &[Arc<Endpoint>],
) -> LocalityWeights {
    let count = |endpoints: &[Arc<Endpoint>], (priority, locality): &(u32, Locality)| {
        let mut here = 0_u64;
        for endpoint in endpoints {
            here += u64::from(endpoint.priority == *priority && endpoint.locality == *locality);
        }
        here
    };
    let scaled = weights.iter().map(|(place, weight)| {
        let share = u64::from(*weight) * count(members, place);
        let weight = share.div_ceil(count(all, place).max(1));
        (place.clone(), u32::try_from(weight).unwrap_or(u32::MAX))
    });
    scaled.collect()
}

#[cfg(test)]
mod tests;
