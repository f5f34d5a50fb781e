//! Picking: priority, then locality, then endpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ferromesh_route::EndpointMatch;

use super::{LbPolicy, PickList, PickSource, SlowStart};
use crate::cluster::set::EndpointSet;
use crate::cluster::{Address, Endpoint, clock};

/// How often an endpoint that is starting slowly is passed over before one is taken all the same:
/// with it, nine of ten picks find another one even when all but one are starting.
const SLOW_ROUNDS: usize = 20;

/// What a pick depends on besides the endpoints.
#[derive(Debug)]
pub struct PickContext<'a> {
    /// The worker's random source.
    pub random: &'a mut fastrand::Rng,
    /// The hash of the request, for hashing policies.
    pub hash: Option<u64>,
    /// Endpoints that earlier tries of this request used and that are to be avoided.
    pub previous: &'a [Address],
    /// Which endpoints, where the cluster has subsets.
    pub wanted: Option<&'a EndpointMatch>,
    /// Priorities that earlier tries used and that are to be avoided.
    pub previous_priorities: &'a [u32],
    /// How often to pick again when an endpoint is to be avoided.
    pub host_selection_attempts: u32,
}

impl<'a> PickContext<'a> {
    /// For a first try, without a hash.
    pub fn new(random: &'a mut fastrand::Rng) -> Self {
        Self {
            random,
            hash: None,
            previous: &[],
            wanted: None,
            previous_priorities: &[],
            host_selection_attempts: 1,
        }
    }
}

/// The endpoint for a request; `None` when the set has none that may be used.
pub fn pick<'a>(
    set: &'a EndpointSet,
    policy: LbPolicy,
    context: &mut PickContext<'_>,
) -> Option<&'a Arc<Endpoint>> {
    let mut last = None;
    let attempts = if context.previous.is_empty() {
        1
    } else {
        context.host_selection_attempts.max(1)
    };
    for attempt in 0..attempts {
        let endpoint = pick_once(set, policy, context, attempt)?;
        if !context.previous.contains(&endpoint.address) {
            return Some(endpoint);
        }
        last = Some(endpoint);
    }
    // All picks were tried before: better the same again than none.
    last
}

fn pick_once<'a>(
    set: &'a EndpointSet,
    policy: LbPolicy,
    context: &mut PickContext<'_>,
    attempt: u32,
) -> Option<&'a Arc<Endpoint>> {
    let hash = context.hash.filter(|_| policy.is_hashing());
    let source = source(set, hash, context)?;
    if let Some(hash) = hash {
        let list = &source.all;
        let index = list.hashes(policy).find(hash, attempt)?;
        return list.endpoints.get(index);
    }
    let list = locality(source, context.random);
    let slow_start = set.settings.slow_start.filter(|_| list.slow_until > 0);
    match slow_start {
        Some(slow_start) if policy.starts_slowly() => {
            let now = clock::millis();
            slowly(list, policy, (slow_start, now), context.random)
        }
        _ => pick_from(list, policy, context.random),
    }
}

/// The priority's endpoints. A hash always leads to the same priority.
fn source<'a>(
    set: &'a EndpointSet,
    hash: Option<u64>,
    context: &mut PickContext<'_>,
) -> Option<&'a PickSource> {
    if context.previous_priorities.is_empty() && set.shares.healthy.first() == Some(&100) {
        return set.priorities.first().map(|group| &group.healthy);
    }
    let point = match hash {
        Some(hash) => (hash % 100) as u32,
        None => context.random.u32(0..100),
    };
    let (priority, degraded) = set.shares.choose(point, context.previous_priorities)?;
    let group = set.priorities.get(priority)?;
    Some(if degraded {
        &group.degraded
    } else {
        &group.healthy
    })
}

fn locality<'a>(source: &'a PickSource, random: &mut fastrand::Rng) -> &'a PickList {
    let steps = source.schedule.len();
    if steps == 0 {
        return &source.all;
    }
    let chosen = source.schedule.at(random.usize(0..steps));
    chosen.map_or(&source.all, |index| &source.localities[index])
}

/// An endpoint that is starting is passed over as often as its share is below the whole.
pub(super) fn slowly<'a>(
    list: &'a PickList,
    policy: LbPolicy,
    (slow_start, now): (SlowStart, u64),
    random: &mut fastrand::Rng,
) -> Option<&'a Arc<Endpoint>> {
    if now >= list.slow_until {
        return pick_from(list, policy, random);
    }
    let mut last = None;
    for _ in 0..SLOW_ROUNDS {
        let endpoint = pick_from(list, policy, random)?;
        let share = slow_start.share(endpoint.counters.health.since(), now);
        if share >= 1.0 || random.f64() < share {
            return Some(endpoint);
        }
        last = Some(endpoint);
    }
    last
}

fn pick_from<'a>(
    list: &'a PickList,
    policy: LbPolicy,
    random: &mut fastrand::Rng,
) -> Option<&'a Arc<Endpoint>> {
    match list.endpoints.len() {
        0 => return None,
        1 => return list.endpoints.first(),
        _ => {}
    }
    let index = match policy {
        LbPolicy::RoundRobin => round_robin(list),
        LbPolicy::LeastRequest {
            choices,
            bias,
            full_scan,
        } => {
            if full_scan {
                least_of_all(list, bias, random)
            } else {
                least_request(list, choices, bias, random)
            }
        }
        _ => weighted_random(list, random),
    };
    list.endpoints.get(index)
}

fn round_robin(list: &PickList) -> usize {
    let step = list.cursor.fetch_add(1, Ordering::Relaxed);
    list.schedule
        .at(step)
        .unwrap_or(step % list.endpoints.len())
}

fn weighted_random(list: &PickList, random: &mut fastrand::Rng) -> usize {
    match list.schedule.len() {
        0 => random.usize(0..list.endpoints.len()),
        steps => list.schedule.at(random.usize(0..steps)).unwrap_or(0),
    }
}

/// Of a few random endpoints the one with the least load. With weights, the endpoints are drawn by
/// them and the load is divided by them, where Envoy keeps a schedule: idle endpoints get the same
/// shares, and the pick stays cheap.
fn least_request(list: &PickList, choices: u32, bias: f64, random: &mut fastrand::Rng) -> usize {
    let mut best = weighted_random(list, random);
    for _ in 1..choices.max(1) {
        let other = weighted_random(list, random);
        if other != best && load(list, other, bias) < load(list, best, bias) {
            best = other;
        }
    }
    best
}

/// The least loaded of all; among equals any.
fn least_of_all(list: &PickList, bias: f64, random: &mut fastrand::Rng) -> usize {
    let count = list.endpoints.len();
    let start = random.usize(0..count);
    let order = (0..count).map(|step| (start + step) % count);
    order
        .min_by(|a, b| load(list, *a, bias).total_cmp(&load(list, *b, bias)))
        .unwrap_or(start)
}

/// Requests in flight, scaled by weight; comparable between endpoints of one list.
fn load(list: &PickList, index: usize, bias: f64) -> f64 {
    let endpoint: &Endpoint = &list.endpoints[index];
    let active = f64::from(endpoint.counters.active_requests());
    if list.schedule.len() == 0 {
        return active;
    }
    active.powf(bias) / f64::from(endpoint.weight.max(1))
}
