//! Picking: priority, then locality, then endpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::LbPolicy;
use crate::cluster::set::{EndpointSet, PickList, PriorityGroup};
use crate::cluster::{Address, Endpoint};

/// What a pick depends on besides the endpoints.
#[derive(Debug)]
pub struct PickContext<'a> {
    /// The worker's random source.
    pub random: &'a mut fastrand::Rng,
    /// The hash of the request, for hashing policies.
    pub hash: Option<u64>,
    /// Endpoints that earlier tries of this request used and that are to be avoided.
    pub previous: &'a [Address],
    /// How often to pick again when an endpoint is to be avoided.
    pub host_selection_attempts: u32,
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
    let group = priority(set, context.random)?;
    let list = locality(group, context.random);
    pick_from(list, policy, context, attempt)
}

fn priority<'a>(set: &'a EndpointSet, random: &mut fastrand::Rng) -> Option<&'a PriorityGroup> {
    if set.loads.first() == Some(&100) {
        return set.priorities.first();
    }
    let mut point = random.u32(0..100);
    for (group, load) in set.priorities.iter().zip(&set.loads) {
        if point < *load {
            return Some(group);
        }
        point -= load;
    }
    None
}

fn locality<'a>(group: &'a PriorityGroup, random: &mut fastrand::Rng) -> &'a PickList {
    let steps = group.locality_schedule.len();
    if steps == 0 {
        return &group.pick;
    }
    let chosen = group.locality_schedule.at(random.usize(0..steps));
    chosen.map_or(&group.pick, |index| &group.localities[index].pick)
}

fn pick_from<'a>(
    list: &'a PickList,
    policy: LbPolicy,
    context: &mut PickContext<'_>,
    attempt: u32,
) -> Option<&'a Arc<Endpoint>> {
    let count = list.endpoints.len();
    if count == 0 {
        return None;
    }
    if count == 1 {
        return list.endpoints.first();
    }
    let index = match policy {
        LbPolicy::RoundRobin => round_robin(list),
        LbPolicy::LeastRequest { choices } => least_request(list, choices, context.random),
        LbPolicy::RingHash { .. } | LbPolicy::Maglev { .. } => match context.hash {
            Some(hash) => list.hashes(policy).find(hash, attempt).unwrap_or(0),
            None => weighted_random(list, context.random),
        },
        LbPolicy::Random | LbPolicy::OriginalDestination => weighted_random(list, context.random),
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

/// Of a few random endpoints the one with the least load for its weight. Without weights this is
/// Envoy's "power of two choices"; with weights the load is divided by the weight, where Envoy keeps
/// a schedule: the shares come out alike and the pick stays cheap.
fn least_request(list: &PickList, choices: u32, random: &mut fastrand::Rng) -> usize {
    let mut best = weighted_random(list, random);
    for _ in 1..choices.max(1) {
        let other = weighted_random(list, random);
        if other != best && load(&list.endpoints[other]) < load(&list.endpoints[best]) {
            best = other;
        }
    }
    best
}

/// Requests in flight, scaled by weight; comparable between endpoints of one list.
fn load(endpoint: &Endpoint) -> u64 {
    let active = u64::from(endpoint.counters.active_requests());
    ((active + 1) << 20) / u64::from(endpoint.weight.max(1))
}
