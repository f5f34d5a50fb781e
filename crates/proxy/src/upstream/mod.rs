//! Connections to endpoints: opening them, keeping them, lending them out.

mod acquire;
mod connect;
mod http1;
mod http2;
mod pool;
mod preconnect;
mod reset;

use std::net::IpAddr;

use ferromesh_route::key_hash::xx_hash;

pub(crate) use acquire::{AcquireError, Acquired, Speak, Wanted, acquire};
pub(crate) use connect::{ConnectOptions, Connected, OurEnd, connect};
pub(crate) use http1::Http1Upstream;
pub(crate) use http2::Http2Upstream;
pub(crate) use pool::Pools;
pub(crate) use preconnect::predicted;
pub(crate) use reset::ResetReason;

/// The hash of an address for consistent-hash clusters; the same in every worker and run.
pub(crate) fn hash_address(address: IpAddr) -> u64 {
    hash_text(&address.to_string())
}

/// The hash of a text for consistent-hash clusters: Envoy's.
pub(crate) fn hash_text(text: &str) -> u64 {
    xx_hash(text.as_bytes(), 0)
}
