//! The endpoints of one cluster: immutable, grouped by priority and locality, with the lists that
//! the load balancers pick from prepared, so that a pick never walks over all endpoints.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use ferromesh_types::Locality;

use super::Address;
use super::endpoint::{Endpoint, EndpointCounters};
use super::lb::{HashTable, LbPolicy, Schedule};

/// The endpoints of one cluster.
#[derive(Debug, Default)]
pub struct EndpointSet {
    /// By priority; 0 is tried first. Empty priorities are kept, so that the index is the priority.
    pub priorities: Vec<PriorityGroup>,
    /// How many endpoints there are.
    pub total: usize,
    /// How many of them are usable.
    pub usable: usize,
    /// The version of the assignment, as the control plane gave it.
    pub version: ferromesh_types::Str,
    /// Share of the traffic of each priority, in hundredths; sums up to 100 unless all are empty.
    pub(crate) loads: Vec<u32>,
}

/// The endpoints of one priority.
#[derive(Debug, Default)]
pub struct PriorityGroup {
    /// By locality.
    pub localities: Vec<LocalityGroup>,
    /// What is picked from: the usable endpoints, or all when the priority is in panic.
    pub(crate) pick: PickList,
    /// Which locality comes next, where localities are weighted; empty otherwise.
    pub(crate) locality_schedule: Schedule,
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
    /// What is picked from.
    pub(crate) pick: PickList,
}

/// Endpoints to pick from, with what each algorithm needs.
#[derive(Debug, Default)]
pub(crate) struct PickList {
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    /// Weighted order; empty when all weights are equal.
    pub(crate) schedule: Schedule,
    /// Round robin's position. Shared by the workers: an occasional tie is harmless.
    pub(crate) cursor: AtomicUsize,
    /// Built by the first pick that needs it.
    hashes: OnceLock<HashTable>,
}

impl PickList {
    pub(crate) fn new(endpoints: Vec<Arc<Endpoint>>, seed: usize) -> Self {
        let weights: Vec<u32> = endpoints.iter().map(|endpoint| endpoint.weight).collect();
        Self {
            schedule: Schedule::new(&weights),
            cursor: AtomicUsize::new(seed),
            hashes: OnceLock::new(),
            endpoints,
        }
    }

    pub(crate) fn hashes(&self, policy: LbPolicy) -> &HashTable {
        self.hashes
            .get_or_init(|| HashTable::new(policy, &self.endpoints))
    }
}

/// How a set is put together.
#[derive(Clone, Copy, Debug)]
pub struct SetSettings {
    /// Below this share of usable endpoints (in percent) all endpoints are used; 0 turns it off.
    pub panic_threshold: u32,
    /// Whether the localities' weights decide.
    pub locality_weighted: bool,
    /// In hundredths: how much larger a priority counts than its usable share.
    pub overprovisioning: u32,
    /// Where the first round-robin pick begins.
    pub seed: usize,
}

impl Default for SetSettings {
    /// Envoy's: panic below 50 %, overprovisioning factor 1.4.
    fn default() -> Self {
        Self {
            panic_threshold: 50,
            locality_weighted: false,
            overprovisioning: 140,
            seed: 0,
        }
    }
}

impl EndpointSet {
    /// Groups `endpoints`; `locality_weights` are by priority and locality.
    pub fn new(
        endpoints: Vec<Arc<Endpoint>>,
        locality_weights: &HashMap<(u32, Locality), u32>,
        settings: SetSettings,
        version: ferromesh_types::Str,
    ) -> Self {
        let mut set = Self {
            total: endpoints.len(),
            usable: endpoints
                .iter()
                .filter(|endpoint| endpoint.health.is_usable())
                .count(),
            version,
            ..Self::default()
        };
        for endpoint in endpoints {
            set.place(endpoint, locality_weights);
        }
        set.loads = priority_loads(&set.priorities, settings.overprovisioning);
        let all_down = set.usable == 0;
        for group in &mut set.priorities {
            group.prepare(settings, all_down);
        }
        set
    }

    fn place(&mut self, endpoint: Arc<Endpoint>, weights: &HashMap<(u32, Locality), u32>) {
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
    fn counts(&self) -> (usize, usize) {
        let all = self.localities.iter().flat_map(|group| &group.endpoints);
        all.fold((0, 0), |(total, usable), endpoint| {
            (total + 1, usable + usize::from(endpoint.health.is_usable()))
        })
    }

    fn prepare(&mut self, settings: SetSettings, all_down: bool) {
        let (total, usable) = self.counts();
        let percent = (usable * 100).checked_div(total).unwrap_or(0);
        let panic = settings.panic_threshold > 0
            && (percent < settings.panic_threshold as usize || all_down);
        let chosen = |group: &LocalityGroup| -> Vec<Arc<Endpoint>> {
            let usable = |endpoint: &&Arc<Endpoint>| panic || endpoint.health.is_usable();
            group.endpoints.iter().filter(usable).cloned().collect()
        };
        for group in &mut self.localities {
            group.pick = PickList::new(chosen(group), settings.seed);
        }
        let flat = self.localities.iter().flat_map(chosen).collect();
        self.pick = PickList::new(flat, settings.seed);
        if settings.locality_weighted && !panic {
            let weights: Vec<u32> = self.localities.iter().map(effective_weight).collect();
            self.locality_schedule = Schedule::always(&weights);
        }
    }
}

/// A locality's weight, lowered by the share of its endpoints that are not usable (beyond the 40 %
/// that overprovisioning forgives).
fn effective_weight(group: &LocalityGroup) -> u32 {
    let total = group.endpoints.len();
    if total == 0 {
        return 0;
    }
    let usable = group.pick.endpoints.len();
    let share = (usable as f64 / total as f64 * 1.4).min(1.0);
    (f64::from(group.weight) * share * 100.0).round() as u32
}

/// Traffic spills over to the next priority when the usable share of those before, times the
/// overprovisioning factor, is below 100 %.
fn priority_loads(groups: &[PriorityGroup], overprovisioning: u32) -> Vec<u32> {
    let health: Vec<u32> = groups
        .iter()
        .map(|group| match group.counts() {
            (0, _) => 0,
            (total, usable) => ((usable * overprovisioning as usize) / total).min(100) as u32,
        })
        .collect();
    let all = health.iter().sum::<u32>().min(100);
    let mut left = 100;
    let mut loads: Vec<u32> = health
        .iter()
        .map(|health| {
            let share = (health * 100).checked_div(all).unwrap_or(0).min(left);
            left -= share;
            share
        })
        .collect();
    if all == 0 {
        // Nothing is usable: the first priority that has endpoints takes what comes.
        if let Some(first) = groups.iter().position(|group| group.counts().0 > 0) {
            loads[first] = 100;
        }
    } else if let Some(first) = health.iter().position(|health| *health > 0) {
        // What rounding left over.
        loads[first] += left;
    }
    loads
}
