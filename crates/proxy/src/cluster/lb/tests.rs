//! Shares, panic, priorities and stability of the picks.

use std::collections::HashMap;
use std::sync::Arc;

use ferromesh_types::{Locality, Str};

use super::{LbPolicy, PickContext, pick};
use crate::cluster::{Address, Endpoint, EndpointCounters, EndpointSet, Health, SetSettings};
use crate::compiled::UpstreamTransport;

const LEAST_REQUEST: LbPolicy = LbPolicy::LeastRequest { choices: 2 };

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
        let mut context = PickContext {
            hash: None,
            previous: &[],
            host_selection_attempts: 1,
            random: &mut random,
        };
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
            random: &mut random,
            hash: None,
            previous: &tried,
            host_selection_attempts: 20,
        };
        let picked = pick(&set, LbPolicy::RoundRobin, &mut context).expect("one");
        assert_eq!(last_byte(&picked.address), 2);
    }
}

#[test]
fn a_hash_keeps_its_endpoint_when_another_one_goes() {
    for policy in [
        LbPolicy::RingHash { minimum_size: 1024 },
        LbPolicy::Maglev { table_size: 65_537 },
    ] {
        let all: Vec<_> = (1..=5)
            .map(|n| endpoint(n, 1, 0, Health::Healthy))
            .collect();
        let fewer = set(all[..4].to_vec(), SetSettings::default());
        let all = set(all, SetSettings::default());
        let mut random = fastrand::Rng::with_seed(1);
        let mut chosen = |set: &EndpointSet, hash| {
            let mut context = PickContext {
                random: &mut random,
                hash: Some(hash),
                previous: &[],
                host_selection_attempts: 1,
            };
            last_byte(&pick(set, policy, &mut context).expect("one").address)
        };
        let mut moved = 0;
        for hash in (0..1000_u64).map(super::hash::hash_of) {
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
