//! What the proxy itself found out about the health of an endpoint.
//!
//! Written on the control side, by health checks and outlier detection; read when an endpoint set is
//! put together. It lives with the endpoint's counters and so outlives every update.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::clock;
use super::outlier::OutlierRecord;

/// A set of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthFlags(u32);

impl HealthFlags {
    /// Health checks fail.
    pub const FAILED_ACTIVE: Self = Self(1);
    /// Outlier detection has ejected it.
    pub const FAILED_OUTLIER: Self = Self(1 << 1);
    /// The first health check is still to come.
    pub const PENDING_ACTIVE: Self = Self(1 << 2);
    /// Health checks say that it is degraded.
    pub const DEGRADED_ACTIVE: Self = Self(1 << 3);

    /// Both together.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    pub fn among(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether anything of `other` is in the set.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing was found.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The findings about one endpoint.
#[derive(Debug)]
pub struct EndpointHealth {
    flags: AtomicU32,
    /// Since when it takes traffic, in milliseconds of the proxy's clock.
    since: AtomicU64,
    /// What outlier detection knows.
    pub(crate) outlier: OutlierRecord,
}

impl Default for EndpointHealth {
    fn default() -> Self {
        Self {
            flags: AtomicU32::new(0),
            since: AtomicU64::new(clock::millis()),
            outlier: OutlierRecord::default(),
        }
    }
}

impl EndpointHealth {
    /// The findings now.
    pub fn flags(&self) -> HealthFlags {
        HealthFlags(self.flags.load(Ordering::Acquire))
    }

    /// Adds findings; true when they are new.
    pub fn set(&self, flags: HealthFlags) -> bool {
        self.flags.fetch_or(flags.0, Ordering::AcqRel) & flags.0 != flags.0
    }

    /// Takes findings back; true when there were any.
    pub fn clear(&self, flags: HealthFlags) -> bool {
        self.flags.fetch_and(!flags.0, Ordering::AcqRel) & flags.0 != 0
    }

    /// Since when it takes traffic.
    pub(crate) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// It takes traffic from now on.
    pub(crate) fn begins(&self) {
        self.since.store(clock::millis(), Ordering::Relaxed);
    }

    /// It takes traffic since `at`.
    #[cfg(test)]
    pub(crate) fn begin_at(&self, at: u64) {
        self.since.store(at, Ordering::Relaxed);
    }
}
