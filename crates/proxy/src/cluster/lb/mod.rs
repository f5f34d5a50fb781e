//! Load balancing: which endpoint takes a request.
//!
//! A pick costs the same for three endpoints as for three thousand. Randomness comes in as a
//! parameter, so that the same input gives the same pick.

mod hash;
mod list;
mod pick;
mod schedule;
mod slow_start;
#[cfg(test)]
mod tests;

pub use hash::{HashFunction, HashTable};
pub(crate) use list::{PickList, PickSource};
pub use pick::{PickContext, pick};
pub(crate) use schedule::Schedule;
pub use slow_start::SlowStart;

/// How a cluster balances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LbPolicy {
    /// One after the other.
    RoundRobin,
    /// The least loaded of a number of random endpoints.
    LeastRequest {
        /// Out of how many.
        choices: u32,
        /// How much the load counts where endpoints have weights.
        bias: f64,
        /// Whether all endpoints are compared instead.
        full_scan: bool,
    },
    /// Any.
    Random,
    /// By the hash of the request, on a ring.
    RingHash {
        /// The least number of points on the ring.
        minimum_size: u64,
        /// The most.
        maximum_size: u64,
        /// What hashes the points.
        function: HashFunction,
        /// Whether host names are hashed instead of addresses.
        by_hostname: bool,
    },
    /// By the hash of the request, in a table.
    Maglev {
        /// Entries of the table.
        table_size: u64,
        /// Whether host names are hashed instead of addresses.
        by_hostname: bool,
    },
    /// As clients ask, by address or by name; there is nothing to choose.
    ClusterProvided,
}

impl LbPolicy {
    /// Whether the hash of the request decides.
    pub fn is_hashing(self) -> bool {
        matches!(self, Self::RingHash { .. } | Self::Maglev { .. })
    }

    /// Whether new endpoints may get their share little by little.
    pub(crate) fn starts_slowly(self) -> bool {
        matches!(self, Self::RoundRobin | Self::LeastRequest { .. })
    }
}
