//! Limits of what a cluster may have in flight, counted over all workers.
//!
//! An unlimited threshold (Istio's default) is not counted at all: the shared counter is touched
//! only where a limit was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One limit with its count.
#[derive(Debug)]
pub struct Limit {
    maximum: u32,
    used: AtomicU32,
}

/// Gives a unit back when it is dropped.
#[derive(Debug)]
pub struct LimitGuard {
    limits: Arc<Thresholds>,
    which: Option<Resource>,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Connections to the cluster.
    Connections,
    /// Requests that wait for a connection.
    PendingRequests,
    /// Requests in flight.
    Requests,
    /// Retries in flight.
    Retries,
}

/// The limits of one priority.
#[derive(Debug)]
pub struct Thresholds {
    connections: Limit,
    pending_requests: Limit,
    requests: Limit,
    retries: Limit,
}

/// The limits of a cluster by priority.
#[derive(Clone, Debug)]
pub struct CircuitBreakers {
    /// For most routes.
    pub default: Arc<Thresholds>,
    /// For routes of high priority.
    pub high: Arc<Thresholds>,
}

impl Limit {
    fn new(maximum: u32) -> Self {
        Self {
            maximum,
            used: AtomicU32::new(0),
        }
    }

    fn take(&self) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < self.maximum).then_some(used + 1)
            })
            .is_ok()
    }

    /// The largest count allowed.
    pub fn maximum(&self) -> u32 {
        self.maximum
    }
}

impl Thresholds {
    /// The limits in the order connections, pending requests, requests, retries.
    pub fn new(connections: u32, pending_requests: u32, requests: u32, retries: u32) -> Self {
        Self {
            connections: Limit::new(connections),
            pending_requests: Limit::new(pending_requests),
            requests: Limit::new(requests),
            retries: Limit::new(retries),
        }
    }

    /// One of the limits.
    pub fn limit(&self, resource: Resource) -> &Limit {
        match resource {
            Resource::Connections => &self.connections,
            Resource::PendingRequests => &self.pending_requests,
            Resource::Requests => &self.requests,
            Resource::Retries => &self.retries,
        }
    }

    /// Takes one unit; `None` when the limit is reached (response flag `UO`).
    pub fn take(self: &Arc<Self>, resource: Resource) -> Option<LimitGuard> {
        let limit = self.limit(resource);
        let unlimited = limit.maximum == u32::MAX;
        if !unlimited && !limit.take() {
            return None;
        }
        Some(LimitGuard {
            limits: Arc::clone(self),
            which: (!unlimited).then_some(resource),
        })
    }
}

impl Default for Thresholds {
    /// Envoy's: 1024 of each, 3 retries.
    fn default() -> Self {
        Self::new(1024, 1024, 1024, 3)
    }
}

impl Default for CircuitBreakers {
    fn default() -> Self {
        Self {
            default: Arc::new(Thresholds::default()),
            high: Arc::new(Thresholds::default()),
        }
    }
}

impl Drop for LimitGuard {
    fn drop(&mut self) {
        if let Some(resource) = self.which {
            let limit = self.limits.limit(resource);
            limit.used.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_comes_back_when_its_guard_is_dropped() {
        let limits = Arc::new(Thresholds::new(1, u32::MAX, 1, 1));
        let guard = limits.take(Resource::Connections);
        assert!(guard.is_some());
        assert!(limits.take(Resource::Connections).is_none());
        drop(guard);
        assert!(limits.take(Resource::Connections).is_some());
        let many: Vec<_> = (0..10)
            .map(|_| limits.take(Resource::PendingRequests))
            .collect();
        assert!(many.iter().all(Option::is_some));
    }
}
