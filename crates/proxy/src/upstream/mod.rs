//! Connections to endpoints: opening them, keeping them, lending them out.

mod acquire;
mod connect;
mod http1;
mod http2;
mod pool;
mod reset;

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

pub(crate) use acquire::{AcquireError, Acquired, Speak, Wanted, acquire};
pub(crate) use connect::{ConnectOptions, Connected, connect};
pub(crate) use http1::Http1Upstream;
pub(crate) use http2::Http2Upstream;
pub(crate) use pool::Pools;
pub(crate) use reset::ResetReason;

/// The hash of an address for consistent-hash clusters; the same in every worker and run.
pub(crate) fn hash_address(address: IpAddr) -> u64 {
    hash_text(&address.to_string())
}

/// The hash of a text for consistent-hash clusters; the same in every worker and run.
pub(crate) fn hash_text(text: &str) -> u64 {
    // The default hasher has fixed keys when made this way.
    let mut hasher = std::hash::DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
