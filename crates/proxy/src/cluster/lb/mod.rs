//! Load balancing: which endpoint takes a request.
//!
//! A pick costs the same for three endpoints as for three thousand. Randomness comes in as a
//! parameter, so that the same input gives the same pick.

mod hash;
mod pick;
mod schedule;
#[cfg(test)]
mod tests;

pub use hash::HashTable;
pub use pick::{PickContext, pick};
pub(crate) use schedule::Schedule;

/// How a cluster balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LbPolicy {
    /// One after the other.
    RoundRobin,
    /// The least loaded of a number of random endpoints.
    LeastRequest {
        /// Out of how many.
        choices: u32,
    },
    /// Any.
    Random,
    /// By the hash of the request, on a ring.
    RingHash {
        /// The least number of points on the ring.
        minimum_size: u64,
    },
    /// By the hash of the request, in a table.
    Maglev {
        /// Entries of the table.
        table_size: u64,
    },
    /// The original destination; there is nothing to choose.
    OriginalDestination,
}

impl LbPolicy {
    /// Whether the hash of the request decides.
    pub fn is_hashing(self) -> bool {
        matches!(self, Self::RingHash { .. } | Self::Maglev { .. })
    }
}
