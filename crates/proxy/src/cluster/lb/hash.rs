//! Consistent hashing: a table from hash values to endpoints, built once per set.
//!
//! Ring hash places each endpoint on the ring at points given by hashing its address and a number;
//! Maglev fills a table of prime size by the endpoints' permutations. Both move few keys when an
//! endpoint comes or goes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::LbPolicy;
use crate::cluster::Endpoint;

/// From the hash of a request to an endpoint's position.
#[derive(Clone, Debug, Default)]
pub struct HashTable {
    /// Ring: points in ascending order with the endpoint's position.
    ring: Vec<(u64, u32)>,
    /// Maglev: the endpoint's position by `hash % len`.
    table: Vec<u32>,
}

/// A 64-bit hash of one key; the same for one build of the proxy on every machine.
pub(crate) fn hash_of(key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl HashTable {
    /// Builds the table that `policy` needs; empty for policies that do not hash.
    pub fn new(policy: LbPolicy, endpoints: &[Arc<Endpoint>], weights: &[u32]) -> Self {
        match policy {
            LbPolicy::RingHash {
                minimum_size,
                maximum_size,
                by_hostname,
            } => Self {
                ring: ring(
                    (minimum_size, maximum_size),
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
        let hash = if attempt == 0 {
            hash
        } else {
            hash_of((hash, attempt))
        };
        if !self.table.is_empty() {
            let position = self.table[(hash % self.table.len() as u64) as usize];
            return Some(position as usize);
        }
        let at = self.ring.partition_point(|(point, _)| *point < hash);
        let (_, position) = self.ring.get(at).or_else(|| self.ring.first())?;
        Some(*position as usize)
    }
}

/// What stands for each endpoint.
fn keys(endpoints: &[Arc<Endpoint>], by_hostname: bool) -> Vec<u64> {
    let key = |endpoint: &Arc<Endpoint>| {
        if by_hostname && !endpoint.hostname.is_empty() {
            hash_of(&endpoint.hostname)
        } else {
            hash_of(&endpoint.address)
        }
    };
    endpoints.iter().map(key).collect()
}

fn ring((least, most): (u64, u64), keys: &[u64], weights: &[u32]) -> Vec<(u64, u32)> {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if total == 0 {
        return Vec::new();
    }
    let size = least.max(keys.len() as u64).min(most.max(1));
    let mut points = Vec::with_capacity(size as usize);
    for (position, (key, weight)) in keys.iter().zip(weights).enumerate() {
        let share = (u64::from(*weight) * size).div_ceil(total).max(1);
        for number in 0..share {
            points.push((hash_of((key, number)), position as u32));
        }
    }
    points.sort_unstable();
    points
}

fn maglev(table_size: u64, keys: &[u64], weights: &[u32]) -> Vec<u32> {
    if keys.is_empty() {
        return Vec::new();
    }
    const FREE: u32 = u32::MAX;
    let size = table_size.max(keys.len() as u64);
    let heaviest = weights.iter().copied().max().unwrap_or(1).max(1);
    let mut table = vec![FREE; size as usize];
    // Offset and step of each endpoint's permutation, how far it has come, and its weight's credit.
    let mut walkers: Vec<(u64, u64, u64)> = keys
        .iter()
        .map(|key| {
            let offset = hash_of((key, "offset")) % size;
            let step = hash_of((key, "step")) % (size - 1).max(1) + 1;
            (offset, step, 0)
        })
        .collect();
    let mut credit = vec![0_u64; keys.len()];
    let mut filled = 0;
    'filling: loop {
        for (position, walker) in walkers.iter_mut().enumerate() {
            credit[position] += u64::from(weights[position].max(1));
            if credit[position] < u64::from(heaviest) {
                continue;
            }
            credit[position] -= u64::from(heaviest);
            let slot = next_free(&table, walker, size);
            table[slot] = position as u32;
            filled += 1;
            if filled == size {
                break 'filling;
            }
        }
    }
    table
}

/// The next free slot of a permutation; after a whole round without one (sizes that are not prime)
/// the first free slot at all.
fn next_free(table: &[u32], walker: &mut (u64, u64, u64), size: u64) -> usize {
    let (offset, step, next) = walker;
    for _ in 0..size {
        let slot = ((*offset + *next * *step) % size) as usize;
        *next += 1;
        if table[slot] == u32::MAX {
            return slot;
        }
    }
    table.iter().position(|slot| *slot == u32::MAX).unwrap_or(0)
}
