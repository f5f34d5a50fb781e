//! Fuzz targets: functions over arbitrary bytes that panic when an invariant breaks.
//!
//! In: bytes. Out: nothing, or a panic. Two front ends run the same functions: `fuzz-smoke`
//! (mutates the seeds, deterministic; runs in CI) and `fuzz-libfuzzer` (guided by coverage).
//! `cargo xtask fuzz` builds and starts either. A new target is one file in `target` and one line
//! in [`TARGETS`].

mod mutate;
mod prefix;
#[cfg(feature = "property")]
pub mod property;
mod seeds;
mod target;

pub use mutate::{Mutator, Random};

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its folder of seeds.
    pub name: &'static str,
    /// What must hold.
    pub about: &'static str,
    /// Checks it for one input.
    pub run: fn(&[u8]),
    /// Seeds that are made instead of stored.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that the decoder gives a meaning to.
    pub words: &'static [&'static str],
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target::request_head::TARGET,
    target::response_head::TARGET,
    target::chunked::TARGET,
    target::differential::request::TARGET,
    target::differential::response::TARGET,
    target::proxy_protocol::TARGET,
    target::client_hello::TARGET,
    target::http_detection::TARGET,
    target::xds_decode::TARGET,
    target::xds_compile::TARGET,
    target::dns::TARGET,
    target::access_log::TARGET,
    target::config::TARGET,
];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

const fn no_seeds() -> Vec<Vec<u8>> {
    Vec::new()
}
