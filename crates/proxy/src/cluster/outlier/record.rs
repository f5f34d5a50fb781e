//! What is counted about one endpoint, by all workers together.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Cause, Finding, OutlierSettings};

/// Counts of one endpoint.
#[derive(Debug, Default)]
pub struct OutlierRecord {
    consecutive_5xx: AtomicU32,
    consecutive_gateway: AtomicU32,
    consecutive_local: AtomicU32,
    external: Window,
    local: Window,
    ejection: Mutex<Ejection>,
}

/// Results since the last look.
#[derive(Debug, Default)]
pub(super) struct Window {
    total: AtomicU32,
    good: AtomicU32,
}

/// The history of ejections; only the control side touches it.
#[derive(Debug, Default)]
pub(super) struct Ejection {
    /// How many times the base time the next one lasts.
    pub(super) steps: u32,
    /// When the last one began, in milliseconds of the proxy's clock.
    pub(super) at: u64,
    /// By how much that one is longer.
    pub(super) jitter: u64,
}

impl Window {
    fn note(&self, good: bool) {
        self.total.fetch_add(1, Ordering::Relaxed);
        if good {
            self.good.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Good ones and all, and begins anew.
    pub(super) fn take(&self) -> (u32, u32) {
        let good = self.good.swap(0, Ordering::Relaxed);
        (good, self.total.swap(0, Ordering::Relaxed))
    }
}

impl OutlierRecord {
    /// Counts a finding; a cause when it reaches a limit. Later ones of the same row do not: the
    /// limit is told once.
    pub(super) fn note(&self, finding: Finding, settings: &OutlierSettings) -> Option<Cause> {
        match finding {
            Finding::Answer(status) => self.answered(status, settings),
            Finding::Connected | Finding::Served if settings.split => {
                self.consecutive_local.store(0, Ordering::Relaxed);
                self.local.note(true);
                None
            }
            Finding::Connected => None,
            Finding::Served => self.answered(200, settings),
            Finding::Failed | Finding::TimedOut if settings.split => {
                self.local.note(false);
                reached(&self.consecutive_local, settings.consecutive_local)
                    .then_some(Cause::ConsecutiveLocal)
            }
            Finding::Failed => self.answered(503, settings),
            Finding::TimedOut => self.answered(504, settings),
        }
    }

    fn answered(&self, status: u16, settings: &OutlierSettings) -> Option<Cause> {
        let good = status < 500;
        self.external.note(good);
        if good {
            // A plain load for nearly all answers: a store would claim the cache line each time.
            for row in [&self.consecutive_5xx, &self.consecutive_gateway] {
                if row.load(Ordering::Relaxed) != 0 {
                    row.store(0, Ordering::Relaxed);
                }
            }
            return None;
        }
        let gateway = matches!(status, 502..=504);
        if !gateway {
            self.consecutive_gateway.store(0, Ordering::Relaxed);
        }
        let by_gateway =
            gateway && reached(&self.consecutive_gateway, settings.consecutive_gateway);
        let by_5xx = reached(&self.consecutive_5xx, settings.consecutive_5xx);
        // Where both are reached at once, the one that ejects more often counts.
        let enforcing = &settings.enforcing;
        match (by_5xx, by_gateway) {
            (true, true) if enforcing.consecutive_gateway > enforcing.consecutive_5xx => {
                Some(Cause::ConsecutiveGateway)
            }
            (true, _) => Some(Cause::Consecutive5xx),
            (false, true) => Some(Cause::ConsecutiveGateway),
            (false, false) => None,
        }
    }

    /// The row of that cause begins anew.
    pub(super) fn reset(&self, cause: Cause) {
        let row = match cause {
            Cause::Consecutive5xx => &self.consecutive_5xx,
            Cause::ConsecutiveGateway => &self.consecutive_gateway,
            Cause::ConsecutiveLocal => &self.consecutive_local,
            _ => return,
        };
        row.store(0, Ordering::Relaxed);
    }

    /// All rows begin anew.
    pub(super) fn reset_all(&self) {
        self.reset(Cause::Consecutive5xx);
        self.reset(Cause::ConsecutiveGateway);
        self.reset(Cause::ConsecutiveLocal);
    }

    pub(super) fn external(&self) -> &Window {
        &self.external
    }

    pub(super) fn local(&self) -> &Window {
        &self.local
    }

    pub(super) fn ejection(&self) -> MutexGuard<'_, Ejection> {
        self.ejection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reached(row: &AtomicU32, limit: u32) -> bool {
    row.fetch_add(1, Ordering::Relaxed) + 1 == limit
}
