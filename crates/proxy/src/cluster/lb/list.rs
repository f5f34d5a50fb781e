//! Endpoints to pick from, with what each algorithm needs.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use super::{HashTable, LbPolicy, Schedule};
use crate::cluster::{Endpoint, SetSettings};

/// The endpoints of one priority that are alike in health.
#[derive(Debug, Default)]
pub(crate) struct PickSource {
    /// All of them. Where localities are weighted only hashing picks from here, with weights that
    /// already hold the locality's.
    pub(crate) all: PickList,
    /// By locality, where localities are weighted.
    pub(crate) localities: Vec<PickList>,
    /// Which locality comes next, where localities are weighted.
    pub(crate) schedule: Schedule,
}

/// Endpoints to pick from.
#[derive(Debug, Default)]
pub(crate) struct PickList {
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    /// Weighted order; empty when all weights are equal.
    pub(crate) schedule: Schedule,
    /// Round robin's position. Shared by the workers: an occasional tie is harmless.
    pub(crate) cursor: AtomicUsize,
    /// Until when some of them are in their slow start, in milliseconds of the proxy's clock.
    pub(crate) slow_until: u64,
    /// Weights for hashing.
    weights: Vec<u32>,
    /// Built by the first pick that needs it.
    hashes: OnceLock<HashTable>,
}

impl PickSource {
    /// By locality, each with its weight.
    pub(crate) fn weighted(
        localities: Vec<Vec<Arc<Endpoint>>>,
        weights: &[f64],
        settings: &SetSettings,
    ) -> Self {
        // Hundredths, since an availability of 99 % should count.
        let rounded: Vec<u32> = weights.iter().map(|w| (w * 100.0).round() as u32).collect();
        let mut all = Vec::new();
        let mut combined = Vec::new();
        for (endpoints, weight) in localities.iter().zip(weights) {
            let total: u32 = endpoints.iter().map(|each| each.weight).sum();
            for endpoint in endpoints {
                let share = weight * f64::from(endpoint.weight) / f64::from(total.max(1));
                combined.push((share * 1000.0).round() as u32);
                all.push(Arc::clone(endpoint));
            }
        }
        Self {
            all: PickList::new(all, combined, settings),
            schedule: Schedule::always(&rounded),
            localities: localities
                .into_iter()
                .map(|endpoints| PickList::of(endpoints, settings))
                .collect(),
        }
    }
}

impl PickList {
    /// With the endpoints' own weights.
    pub(crate) fn of(endpoints: Vec<Arc<Endpoint>>, settings: &SetSettings) -> Self {
        let weights = endpoints.iter().map(|endpoint| endpoint.weight).collect();
        Self::new(endpoints, weights, settings)
    }

    fn new(endpoints: Vec<Arc<Endpoint>>, weights: Vec<u32>, settings: &SetSettings) -> Self {
        let slow_until = settings.slow_start.map_or(0, |slow| {
            let ends = endpoints
                .iter()
                .map(|each| slow.ends(each.counters.health.since()));
            ends.max().unwrap_or(0)
        });
        Self {
            schedule: Schedule::new(&weights),
            cursor: AtomicUsize::new(settings.seed),
            slow_until,
            hashes: OnceLock::new(),
            weights,
            endpoints,
        }
    }

    pub(crate) fn hashes(&self, policy: LbPolicy) -> &HashTable {
        self.hashes
            .get_or_init(|| HashTable::new(policy, &self.endpoints, &self.weights))
    }
}
