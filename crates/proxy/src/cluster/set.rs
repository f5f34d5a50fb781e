//! The endpoints of one cluster: immutable, grouped by priority and locality, with the lists that
//! the load balancers pick from prepared, so that a pick never walks over all endpoints.
//!
//! When the health of an endpoint changes, the set is put together again ([`EndpointSet::rebuilt`]).

use std::collections::HashMap;
use std::sync::Arc;

use ferromesh_route::Fraction;
use ferromesh_types::Locality;

use super::Address;
use super::availability::{Counts, Shares};
use super::endpoint::{Availability, Endpoint, EndpointCounters};
use super::health::HealthFlags;
use super::lb::{PickList, PickSource, SlowStart};
use super::subset::{SubsetSettings, Subsets};

/// The endpoints of one cluster.
#[derive(Debug, Default)]
pub struct EndpointSet {
    /// By priority; 0 is tried first. Empty priorities are kept, so that the index is the priority.
    pub priorities: Vec<PriorityGroup>,
    /// How many endpoints there are.
    pub total: usize,
    /// How many of them are healthy.
    pub usable: usize,
    /// How many of them are degraded.
    pub degraded: usize,
    /// How many of them still await their first health check and do not count until then.
    pub excluded: usize,
    /// The version of the assignment, as the control plane gave it.
    pub version: ferromesh_types::Str,
    /// How it was put together.
    pub settings: SetSettings,
    /// Sets of some of the endpoints; made when the set is put in force.
    pub(crate) subsets: Subsets,
    pub(crate) shares: Shares,
    locality_weights: LocalityWeights,
}

/// Weights by priority and locality.
pub type LocalityWeights = HashMap<(u32, Locality), u32>;

/// The endpoints of one priority.
#[derive(Debug, Default)]
pub struct PriorityGroup {
    /// By locality.
    pub localities: Vec<LocalityGroup>,
    /// The healthy endpoints, or all when the priority is in panic.
    pub(crate) healthy: PickSource,
    /// The degraded ones.
    pub(crate) degraded: PickSource,
}

/// The endpoints of one locality within a priority.
#[derive(Debug, Default)]
pub struct LocalityGroup {
    /// Where.
    pub locality: Locality,
    /// Its share of the priority's traffic; 0 when the config gives none.
    pub weight: u32,
    /// All endpoints.
    pub endpoints: Vec<Arc<Endpoint>>,
}

/// How a set is put together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SetSettings {
    /// Below this share of available endpoints (in percent) all endpoints are used; 0 turns it off.
    pub panic_threshold: u32,
    /// Whether requests in panic get no endpoint instead of any.
    pub fail_in_panic: bool,
    /// Whether the localities' weights decide.
    pub locality_weighted: bool,
    /// In hundredths: how much larger a priority counts than its available share.
    pub overprovisioning: u32,
    /// Which findings of the proxy itself count.
    pub heeds: HealthFlags,
    /// Whether endpoints count only from their first health check on.
    pub excludes_unchecked: bool,
    /// How new endpoints get their share little by little.
    pub slow_start: Option<SlowStart>,
    /// The share of the requests that the control plane wants dropped.
    pub drop_overload: Option<Fraction>,
    /// Where the first round-robin pick begins.
    pub seed: usize,
}

impl Default for SetSettings {
    /// Envoy's: panic below 50 %, overprovisioning factor 1.4.
    fn default() -> Self {
        Self {
            panic_threshold: 50,
            fail_in_panic: false,
            locality_weighted: false,
            overprovisioning: 140,
            heeds: HealthFlags::default(),
            excludes_unchecked: false,
            slow_start: None,
            drop_overload: None,
            seed: 0,
        }
    }
}

impl SetSettings {
    fn availability(&self, endpoint: &Endpoint) -> Availability {
        endpoint.availability(self.heeds)
    }

    fn excludes(&self, endpoint: &Endpoint) -> bool {
        let flags = endpoint.counters.health.flags().among(self.heeds);
        self.excludes_unchecked && flags.intersects(HealthFlags::PENDING_ACTIVE)
    }
}

impl EndpointSet {
    /// Groups `endpoints`; `locality_weights` are by priority and locality.
    pub fn new(
        endpoints: Vec<Arc<Endpoint>>,
        locality_weights: &LocalityWeights,
        settings: SetSettings,
        version: ferromesh_types::Str,
    ) -> Self {
        let mut set = Self {
            total: endpoints.len(),
            version,
            settings,
            locality_weights: locality_weights.clone(),
            ..Self::default()
        };
        for endpoint in endpoints {
            set.place(endpoint, locality_weights);
        }
        let groups = set.priorities.iter();
        let counts: Vec<Counts> = groups.map(|group| group.counts(&settings)).collect();
        let sum = |field: fn(&Counts) -> usize| counts.iter().map(field).sum();
        set.usable = sum(|each| each.healthy);
        set.degraded = sum(|each| each.degraded);
        set.excluded = sum(|each| each.excluded);
        set.shares = Shares::new(&counts, settings.overprovisioning, settings.panic_threshold);
        for (group, panic) in set.priorities.iter_mut().zip(&set.shares.panic) {
            group.prepare(&settings, *panic);
        }
        set
    }

    /// The same endpoints with their health of now.
    pub fn rebuilt(&self) -> Self {
        Self::new(
            self.endpoints().cloned().collect(),
            &self.locality_weights,
            self.settings,
            self.version.clone(),
        )
    }

    /// Prepares the subsets of the endpoints.
    pub(crate) fn make_subsets(&mut self, settings: &SubsetSettings) {
        let endpoints: Vec<_> = self.endpoints().cloned().collect();
        self.subsets = Subsets::new(settings, &endpoints, &self.locality_weights, self.settings);
    }

    fn place(&mut self, endpoint: Arc<Endpoint>, weights: &LocalityWeights) {
        let priority = endpoint.priority as usize;
        if self.priorities.len() <= priority {
            self.priorities
                .resize_with(priority + 1, PriorityGroup::default);
        }
        let groups = &mut self.priorities[priority].localities;
        let position = groups
            .iter()
            .position(|group| group.locality == endpoint.locality)
            .unwrap_or_else(|| {
                let locality = endpoint.locality.clone();
                let key = (endpoint.priority, locality.clone());
                groups.push(LocalityGroup {
                    weight: weights.get(&key).copied().unwrap_or_default(),
                    locality,
                    ..LocalityGroup::default()
                });
                groups.len() - 1
            });
        groups[position].endpoints.push(endpoint);
    }

    /// Every endpoint, in the order of priority and locality.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.priorities
            .iter()
            .flat_map(|group| &group.localities)
            .flat_map(|group| &group.endpoints)
    }

    /// The counters by address, to carry over into the next set.
    pub fn counters(&self) -> HashMap<Address, Arc<EndpointCounters>> {
        self.endpoints()
            .map(|endpoint| (endpoint.address.clone(), Arc::clone(&endpoint.counters)))
            .collect()
    }
}

impl PriorityGroup {
    fn counts(&self, settings: &SetSettings) -> Counts {
        let mut counts = Counts::default();
        for endpoint in self.localities.iter().flat_map(|group| &group.endpoints) {
            counts.total += 1;
            if settings.excludes(endpoint) {
                counts.excluded += 1;
                continue;
            }
            match settings.availability(endpoint) {
                Availability::Healthy => counts.healthy += 1,
                Availability::Degraded => counts.degraded += 1,
                Availability::Unhealthy => {}
            }
        }
        counts
    }

    fn prepare(&mut self, settings: &SetSettings, panic: bool) {
        if panic {
            if !settings.fail_in_panic {
                let all = self.localities.iter().flat_map(|group| &group.endpoints);
                self.healthy.all = PickList::of(all.cloned().collect(), settings);
            }
            return;
        }
        self.healthy = self.source(settings, Availability::Healthy);
        self.degraded = self.source(settings, Availability::Degraded);
    }

    fn source(&self, settings: &SetSettings, wanted: Availability) -> PickSource {
        let chosen: Vec<Vec<Arc<Endpoint>>> = self
            .localities
            .iter()
            .map(|group| {
                let fits = |each: &&Arc<Endpoint>| settings.availability(each) == wanted;
                group.endpoints.iter().filter(fits).cloned().collect()
            })
            .collect();
        if settings.locality_weighted && self.localities.iter().any(|group| group.weight > 0) {
            let weights: Vec<f64> = self
                .localities
                .iter()
                .zip(&chosen)
                .map(|(group, chosen)| group.effective_weight(chosen.len(), settings))
                .collect();
            return PickSource::weighted(chosen, &weights, settings);
        }
        PickSource {
            all: PickList::of(chosen.concat(), settings),
            ..PickSource::default()
        }
    }
}

impl LocalityGroup {
    /// Its weight, lowered by the share of its endpoints that are not available (beyond what
    /// overprovisioning forgives).
    fn effective_weight(&self, available: usize, settings: &SetSettings) -> f64 {
        let excluded = |each: &&Arc<Endpoint>| settings.excludes(each);
        let total = self.endpoints.len() - self.endpoints.iter().filter(excluded).count();
        if total == 0 {
            return 0.0;
        }
        let factor = f64::from(settings.overprovisioning) / 100.0;
        let share = (available as f64 / total as f64 * factor).min(1.0);
        f64::from(self.weight) * share
    }
}
