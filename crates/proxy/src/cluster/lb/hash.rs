//! Consistent hashing: a table from hash values to endpoints, built once per set, entry for entry
//! as Envoy builds it, so that a key has the same endpoint through either proxy.
//!
//! Ring hash places each endpoint on the ring at points given by hashing its address and a number;
//! Maglev fills a table of prime size by the endpoints' permutations. Both move few keys when an
//! endpoint comes or goes.

use std::sync::Arc;

use ferromesh_route::key_hash::{murmur_hash_2, xx_hash};

use super::LbPolicy;
use crate::cluster::Endpoint;

/// What hashes the points of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashFunction {
    /// XXH64.
    #[default]
    XxHash,
    /// MurmurHash2 64A.
    MurmurHash2,
}

impl HashFunction {
    fn hash(self, key: &[u8]) -> u64 {
        match self {
            Self::XxHash => xx_hash(key, 0),
            Self::MurmurHash2 => murmur_hash_2(key),
        }
    }
}

/// From the hash of a request to an endpoint's position.
#[derive(Clone, Debug, Default)]
pub struct HashTable {
    /// Ring: points in ascending order with the endpoint's position.
    ring: Vec<(u64, u32)>,
    /// Maglev: the endpoint's position by `hash % len`.
    table: Vec<u32>,
}

impl HashTable {
    /// Builds the table that `policy` needs; empty for policies that do not hash.
    pub fn new(policy: LbPolicy, endpoints: &[Arc<Endpoint>], weights: &[u32]) -> Self {
        match policy {
            LbPolicy::RingHash {
                minimum_size,
                maximum_size,
                function,
                by_hostname,
            } => Self {
                ring: ring(
                    (minimum_size, maximum_size, function),
                    &keys(endpoints, by_hostname),
                    weights,
                ),
                table: Vec::new(),
            },
            LbPolicy::Maglev {
                table_size,
                by_hostname,
            } => Self {
                ring: Vec::new(),
                table: maglev(table_size, &keys(endpoints, by_hostname), weights),
            },
            _ => Self::default(),
        }
    }

    /// The position for `hash`; a higher `attempt` walks on to other endpoints.
    pub fn find(&self, hash: u64, attempt: u32) -> Option<usize> {
        if !self.table.is_empty() {
            let hash = match attempt {
                0 => hash,
                further => hash ^ (u64::MAX - u64::from(further) + 1),
            };
            let position = self.table[(hash % self.table.len() as u64) as usize];
            return Some(position as usize);
        }
        let at = self.ring.partition_point(|(point, _)| *point < hash);
        let size = self.ring.len().max(1);
        let (_, position) = self.ring.get((at + attempt as usize) % size)?;
        Some(*position as usize)
    }
}

/// What stands for each endpoint.
fn keys(endpoints: &[Arc<Endpoint>], by_hostname: bool) -> Vec<String> {
    let key = |endpoint: &Arc<Endpoint>| {
        if by_hostname && !endpoint.hostname.is_empty() {
            endpoint.hostname.to_string()
        } else {
            endpoint.address.to_string()
        }
    };
    endpoints.iter().map(key).collect()
}

/// The weights as shares of one. An equal share each where there is no weight at all.
fn shares(weights: &[u32]) -> Vec<f64> {
    let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    let share = |weight: &u32| {
        if total > 0.0 {
            f64::from(*weight) / total
        } else {
            1.0 / weights.len() as f64
        }
    };
    weights.iter().map(share).collect()
}

/// The lightest endpoint gets a whole number of points, the others in proportion.
fn ring(
    (least, most, function): (u64, u64, HashFunction),
    keys: &[String],
    weights: &[u32],
) -> Vec<(u64, u32)> {
    let shares = shares(weights);
    let lightest = shares.iter().copied().filter(|share| *share > 0.0);
    let lightest = lightest.fold(1.0, f64::min);
    let scale = ((lightest * least as f64).ceil() / lightest).min(most as f64);
    let mut points = Vec::with_capacity(scale.ceil() as usize);
    // Running sums, so that rounding evens out over the endpoints.
    let (mut placed, mut wanted) = (0.0, 0.0);
    for (position, (key, share)) in keys.iter().zip(shares).enumerate() {
        wanted += scale * share;
        let mut number = 0_u64;
        while placed < wanted {
            let point = function.hash(format!("{key}_{number}").as_bytes());
            points.push((point, position as u32));
            number += 1;
            placed += 1.0;
        }
    }
    points.sort_unstable_by_key(|(point, _)| *point);
    points
}

/// An endpoint on its way through the table.
struct Walker {
    position: u32,
    offset: u64,
    step: u64,
    next: u64,
    share: f64,
    target: f64,
}

fn maglev(table_size: u64, keys: &[String], weights: &[u32]) -> Vec<u32> {
    const FREE: u32 = u32::MAX;
    if keys.is_empty() {
        return Vec::new();
    }
    let size = table_size.max(keys.len() as u64);
    let shares = shares(weights);
    let heaviest = shares.iter().copied().fold(0.0, f64::max);
    let mut walkers: Vec<Walker> = (0..keys.len())
        .map(|index| Walker {
            position: index as u32,
            offset: xx_hash(keys[index].as_bytes(), 0) % size,
            step: xx_hash(keys[index].as_bytes(), 1) % (size - 1).max(1) + 1,
            next: 0,
            share: shares[index],
            target: 0.0,
        })
        .collect();
    // The order in which endpoints are named must not matter.
    walkers.sort_by(|a, b| keys[a.position as usize].cmp(&keys[b.position as usize]));
    let mut table = vec![FREE; size as usize];
    let mut filled = 0;
    let mut turn = 0.0;
    while filled < size {
        turn += 1.0;
        for walker in &mut walkers {
            if filled == size || turn * walker.share < walker.target {
                continue;
            }
            walker.target += heaviest;
            let slot = next_free(&table, walker, size);
            table[slot] = walker.position;
            filled += 1;
        }
    }
    table
}

/// The next free slot of a permutation; after a whole round without one (sizes that are not prime)
/// the first free slot at all.
fn next_free(table: &[u32], walker: &mut Walker, size: u64) -> usize {
    for _ in 0..size {
        let slot = (u128::from(walker.step) * u128::from(walker.next) + u128::from(walker.offset))
            % u128::from(size);
        walker.next += 1;
        if table[slot as usize] == u32::MAX {
            return slot as usize;
        }
    }
    table.iter().position(|slot| *slot == u32::MAX).unwrap_or(0)
}
