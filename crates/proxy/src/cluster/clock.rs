//! Milliseconds since the process began, for times that are kept in atomics.

use std::sync::OnceLock;
use std::time::Instant;

/// Now; never zero, so that zero can stand for "never".
pub(crate) fn millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64 + 1
}
