//! Shares, panic, priorities and stability of the picks.

use std::collections::HashMap;
use std::sync::Arc;

use ferromesh_route::key_hash::xx_hash;
use ferromesh_types::{Locality, Str};

use super::{HashFunction, LbPolicy, PickContext, pick};
use crate::cluster::{Address, Endpoint, EndpointCounters, EndpointSet, Health, SetSettings};
use crate::compiled::UpstreamTransport;

const LEAST_REQUEST: LbPolicy = LbPolicy::LeastRequest {
    choices: 2,
    bias: 1.0,
    full_scan: false,
};

fn endpoint(number: u8, weight: u32, priority: u32, health: Health) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        address: Address::Ip(([10, 0, 0, number], 80).into()),
        hostname: Str::default(),
        locality: Locality::parse(if number < 100 { "near" } else { "far" }),
        priority,
        weight,
        health,
        transport: Arc::new(UpstreamTransport::Raw),
        workload: Str::default(),
        metadata: serde_json::Map::new(),
        check: None,
        counters: Arc::new(EndpointCounters::default()),
    })
}

fn set(endpoints: Vec<Arc<Endpoint>>, settings: SetSettings) -> EndpointSet {
    EndpointSet::new(endpoints, &HashMap::new(), settings, "1".into())
}

/// How often each endpoint (by the last byte of its address) is picked out of `times`.
fn shares(set: &EndpointSet, policy: LbPolicy, times: u32) -> HashMap<u8, u32> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut out = HashMap::new();
    for _ in 0..times {
        let mut context = PickContext::new(&mut random);
        if let Some(endpoint) = pick(set, policy, &mut context) {
            *out.entry(last_byte(&endpoint.address)).or_default() += 1;
        }
    }
    out
}

fn last_byte(address: &Address) -> u8 {
    let text = address.to_string();
    let host = text.split(':').next().expect("a host");
    host.rsplit('.')
        .next()
        .and_then(|byte| byte.parse().ok())
        .expect("a byte")
}

#[test]
fn round_robin_follows_the_weights_exactly() {
    let healthy = Health::Healthy;
    let set = set(
        vec![endpoint(1, 3, 0, healthy), endpoint(2, 1, 0, healthy)],
        SetSettings::default(),
    );
    let shares = shares(&set, LbPolicy::RoundRobin, 400);
    assert_eq!((shares[&1], shares[&2]), (300, 100));
}

#[test]
fn every_policy_uses_every_usable_endpoint_and_no_other() {
    let endpoints = vec![
        endpoint(1, 1, 0, Health::Healthy),
        endpoint(2, 1, 0, Health::Unknown),
        endpoint(3, 1, 0, Health::Unhealthy),
    ];
    let set = set(endpoints, SetSettings::default());
    for policy in [LbPolicy::RoundRobin, LEAST_REQUEST, LbPolicy::Random] {
        let shares = shares(&set, policy, 300);
        assert!(shares[&1] > 50 && shares[&2] > 50, "{policy:?}: {shares:?}");
        assert!(!shares.contains_key(&3), "{policy:?}: {shares:?}");
    }
}

#[test]
fn below_the_panic_threshold_all_endpoints_are_used() {
    let endpoints = || {
        vec![
            endpoint(1, 1, 0, Health::Healthy),
            endpoint(2, 1, 0, Health::Unhealthy),
            endpoint(3, 1, 0, Health::Unhealthy),
        ]
    };
    let panicking = set(endpoints(), SetSettings::default());
    assert_eq!(shares(&panicking, LbPolicy::RoundRobin, 300).len(), 3);
    let settings = SetSettings {
        panic_threshold: 0,
        ..SetSettings::default()
    };
    let calm = set(endpoints(), settings);
    assert_eq!(shares(&calm, LbPolicy::RoundRobin, 300).len(), 1);
}

#[test]
fn without_panic_nothing_is_picked_when_nothing_is_usable() {
    let settings = SetSettings {
        panic_threshold: 0,
        ..SetSettings::default()
    };
    let down = set(vec![endpoint(1, 1, 0, Health::Unhealthy)], settings);
    assert!(shares(&down, LbPolicy::RoundRobin, 10).is_empty());
    assert!(shares(&EndpointSet::default(), LEAST_REQUEST, 10).is_empty());
}

#[test]
fn traffic_spills_over_to_the_next_priority_as_endpoints_fail() {
    let settings = SetSettings {
        panic_threshold: 0,
        ..SetSettings::default()
    };
    let with = |down: u8| {
        let near = (1..=4).map(|number| {
            let health = if number <= down {
                Health::Unhealthy
            } else {
                Health::Healthy
            };
            endpoint(number, 1, 0, health)
        });
        let far = std::iter::once(endpoint(101, 1, 1, Health::Healthy));
        set(near.chain(far).collect(), settings)
    };
    let far_share = |down| {
        shares(&with(down), LbPolicy::Random, 1000)
            .get(&101)
            .copied()
    };
    // One of four down is forgiven (75 % × 1.4 ≥ 100 %); with two down 70 % stay near.
    assert_eq!(far_share(0), None);
    assert_eq!(far_share(1), None);
    let spilled = far_share(2).expect("some go far");
    assert!((230..370).contains(&spilled), "{spilled}");
    assert_eq!(far_share(4), Some(1000));
}

#[test]
fn least_request_leaves_a_busy_endpoint_alone() {
    let endpoints = vec![
        endpoint(1, 1, 0, Health::Healthy),
        endpoint(2, 1, 0, Health::Healthy),
    ];
    let busy: Vec<_> = (0..5)
        .map(|_| endpoints[0].counters.request_started())
        .collect();
    let set = set(endpoints, SetSettings::default());
    let shares = shares(&set, LEAST_REQUEST, 400);
    assert!(shares[&2] > shares[&1] * 2, "{shares:?}");
    drop(busy);
}

#[test]
fn a_tried_endpoint_is_avoided_while_there_is_another() {
    let endpoints = vec![
        endpoint(1, 1, 0, Health::Healthy),
        endpoint(2, 1, 0, Health::Healthy),
    ];
    let tried = [endpoints[0].address.clone()];
    let set = set(endpoints, SetSettings::default());
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..50 {
        let mut context = PickContext {
            previous: &tried,
            host_selection_attempts: 20,
            ..PickContext::new(&mut random)
        };
        let picked = pick(&set, LbPolicy::RoundRobin, &mut context).expect("one");
        assert_eq!(last_byte(&picked.address), 2);
    }
}

#[test]
fn a_hash_keeps_its_endpoint_when_another_one_goes() {
    for policy in [
        LbPolicy::RingHash {
            minimum_size: 1024,
            maximum_size: 1 << 20,
            function: HashFunction::XxHash,
            by_hostname: false,
        },
        LbPolicy::Maglev {
            table_size: 65_537,
            by_hostname: false,
        },
    ] {
        let all: Vec<_> = (1..=5)
            .map(|n| endpoint(n, 1, 0, Health::Healthy))
            .collect();
        let fewer = set(all[..4].to_vec(), SetSettings::default());
        let all = set(all, SetSettings::default());
        let mut random = fastrand::Rng::with_seed(1);
        let mut chosen = |set: &EndpointSet, hash| {
            let mut context = PickContext {
                hash: Some(hash),
                ..PickContext::new(&mut random)
            };
            last_byte(&pick(set, policy, &mut context).expect("one").address)
        };
        let mut moved = 0;
        for hash in (0..1000_u64).map(|number| xx_hash(&number.to_le_bytes(), 0)) {
            let before = chosen(&all, hash);
            let after = chosen(&fewer, hash);
            if before != 5 && before != after {
                moved += 1;
            }
        }
        // Dealing keys out by remainder would move about 600. The ring keeps its size, so the other
        // endpoints gain points, and with them some keys.
        assert!(moved < 150, "{policy:?} moved {moved} of 1000 keys");
    }
}

#[test]
fn weighted_localities_share_seventy_to_thirty() {
    let endpoints = [1, 2, 3, 101].map(|number| endpoint(number, 1, 0, Health::Healthy));
    let weights = HashMap::from([
        ((0, Locality::parse("near")), 70),
        ((0, Locality::parse("far")), 30),
    ]);
    let settings = SetSettings {
        locality_weighted: true,
        ..SetSettings::default()
    };
    let set = EndpointSet::new(endpoints.to_vec(), &weights, settings, "1".into());
    for policy in [LbPolicy::RoundRobin, LbPolicy::Random, LEAST_REQUEST] {
        let far = shares(&set, policy, 10_000)[&101];
        // 3.3 standard deviations of 10,000 draws at 30 % are 151.
        assert!(far.abs_diff(3000) < 152, "{policy:?}: {far}");
    }
}

#[test]
fn a_hash_keeps_its_endpoint_among_weighted_localities() {
    let endpoints = [1, 2, 101].map(|number| endpoint(number, 1, 0, Health::Healthy));
    let weights = HashMap::from([
        ((0, Locality::parse("near")), 80),
        ((0, Locality::parse("far")), 20),
    ]);
    let settings = SetSettings {
        locality_weighted: true,
        ..SetSettings::default()
    };
    let set = EndpointSet::new(endpoints.to_vec(), &weights, settings, "1".into());
    let policy = LbPolicy::RingHash {
        minimum_size: 4096,
        maximum_size: 1 << 20,
        function: HashFunction::XxHash,
        by_hostname: false,
    };
    let mut random = fastrand::Rng::with_seed(2);
    let mut far = 0;
    for hash in (0..2000_u64).map(|number| xx_hash(&number.to_le_bytes(), 0)) {
        let mut chosen = || {
            let mut context = PickContext {
                hash: Some(hash),
                ..PickContext::new(&mut random)
            };
            last_byte(&pick(&set, policy, &mut context).expect("one").address)
        };
        let first = chosen();
        assert_eq!(first, chosen());
        far += u32::from(first == 101);
    }
    assert!(
        (300..500).contains(&far),
        "a fifth of the keys go far: {far}"
    );
}

/// The 75th percentile of latencies when one request comes per unit of time and each endpoint serves
/// one at a time; the last endpoint takes four units, the others one.
fn latency_with_a_slow_endpoint(policy: LbPolicy) -> u64 {
    let endpoints = [1, 2, 3].map(|number| endpoint(number, 1, 0, Health::Healthy));
    let set = set(endpoints.to_vec(), SetSettings::default());
    let mut random = fastrand::Rng::with_seed(5);
    let mut free_at = [0_u64; 3];
    let mut running: Vec<(u64, crate::cluster::ActiveRequestGuard)> = Vec::new();
    let mut latencies = Vec::new();
    for now in 0..2000 {
        running.retain(|(end, _)| *end > now);
        let mut context = PickContext::new(&mut random);
        let picked = pick(&set, policy, &mut context).expect("one");
        let index = usize::from(last_byte(&picked.address)) - 1;
        let end = free_at[index].max(now) + if index == 2 { 4 } else { 1 };
        free_at[index] = end;
        running.push((end, picked.counters.request_started()));
        latencies.push(end - now);
    }
    latencies.sort_unstable();
    latencies[latencies.len() * 3 / 4]
}

#[test]
fn least_request_beats_round_robin_when_one_endpoint_is_slow() {
    let round_robin = latency_with_a_slow_endpoint(LbPolicy::RoundRobin);
    let least = latency_with_a_slow_endpoint(LEAST_REQUEST);
    let full = latency_with_a_slow_endpoint(LbPolicy::LeastRequest {
        choices: 2,
        bias: 1.0,
        full_scan: true,
    });
    assert!(least <= 4 && full <= 4, "{least} and {full}");
    assert!(round_robin > 4 * least, "{round_robin} against {least}");
}

#[test]
fn idle_weighted_endpoints_get_their_shares_from_least_request() {
    let endpoints = vec![
        endpoint(1, 3, 0, Health::Healthy),
        endpoint(2, 1, 0, Health::Healthy),
    ];
    let light = shares(
        &set(endpoints, SetSettings::default()),
        LEAST_REQUEST,
        10_000,
    )[&2];
    assert!(light.abs_diff(2500) < 143, "{light}");
}

#[test]
fn a_new_endpoint_begins_with_the_least_share() {
    let slow_start = super::SlowStart {
        window: std::time::Duration::from_mins(1),
        aggression: 1.0,
        least: 0.1,
    };
    let settings = SetSettings {
        slow_start: Some(slow_start),
        ..SetSettings::default()
    };
    let endpoints = [1, 2].map(|number| endpoint(number, 1, 0, Health::Healthy));
    endpoints[0].counters.health.begin_at(1);
    endpoints[1].counters.health.begin_at(100_000);
    let list = super::PickList::of(endpoints.to_vec(), &settings);
    for (now, expected) in [(100_001, 909), (130_000, 3333), (160_000, 5000)] {
        let mut random = fastrand::Rng::with_seed(9);
        let new = (0..10_000)
            .filter_map(|_| {
                let at = (slow_start, now);
                super::pick::slowly(&list, LbPolicy::RoundRobin, at, &mut random)
            })
            .filter(|picked| last_byte(&picked.address) == 2)
            .count();
        assert!(new.abs_diff(expected) < 170, "{new} at {now}");
    }
}

#[test]
fn degraded_endpoints_take_what_healthy_ones_cannot() {
    let endpoints = vec![
        endpoint(1, 1, 0, Health::Healthy),
        endpoint(2, 1, 0, Health::Degraded),
        endpoint(3, 1, 0, Health::Unhealthy),
        endpoint(4, 1, 0, Health::Draining),
    ];
    let set = set(endpoints, SetSettings::default());
    assert_eq!((set.usable, set.degraded), (1, 1));
    let shares = shares(&set, LbPolicy::Random, 1000);
    assert!(shares.contains_key(&1) && shares.contains_key(&2));
    assert!(!shares.contains_key(&3) && !shares.contains_key(&4));
}

#[test]
fn nobody_is_picked_in_panic_where_that_is_asked_for() {
    let endpoints = vec![
        endpoint(1, 1, 0, Health::Healthy),
        endpoint(2, 1, 0, Health::Unhealthy),
        endpoint(3, 1, 0, Health::Unhealthy),
    ];
    let any = shares(
        &set(endpoints.clone(), SetSettings::default()),
        LbPolicy::Random,
        300,
    );
    assert_eq!(any.len(), 3, "panic uses all: {any:?}");
    let settings = SetSettings {
        fail_in_panic: true,
        ..SetSettings::default()
    };
    assert!(shares(&set(endpoints, settings), LbPolicy::Random, 300).is_empty());
}
