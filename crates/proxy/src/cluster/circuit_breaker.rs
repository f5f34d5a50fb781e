//! Limits of what a cluster may have in flight, counted over all workers.
//!
//! An unlimited threshold (Istio's default) is not counted at all: the shared counter is touched
//! only where a limit was asked for, or where a retry budget needs the count.

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
    /// Nothing where nothing is counted.
    held: Option<(Arc<Thresholds>, Resource)>,
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
    budget: Option<RetryBudget>,
    /// Whether what is left is shown among the numbers.
    track_remaining: bool,
}

/// How many retries may be in flight, as a share of the requests, instead of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// The share, in percent of the requests that are in flight or wait for a connection.
    pub percent: f64,
    /// So many are always allowed.
    pub least: u32,
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

    fn take(&self, maximum: u32) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < maximum).then_some(used + 1)
            })
            .is_ok()
    }

    /// The count, as far as it is kept.
    pub fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
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
            budget: None,
            track_remaining: false,
        }
    }

    /// With a retry budget instead of the number of retries.
    pub fn with_budget(self, budget: Option<RetryBudget>) -> Self {
        Self { budget, ..self }
    }

    /// Whether what is left is shown among the numbers.
    pub fn tracking_remaining(self, track_remaining: bool) -> Self {
        Self {
            track_remaining,
            ..self
        }
    }

    /// Whether what is left is shown among the numbers.
    pub fn tracks_remaining(&self) -> bool {
        self.track_remaining
    }

    /// The limit that is in force now.
    pub fn maximum(&self, resource: Resource) -> u32 {
        match (resource, self.budget) {
            (Resource::Retries, Some(budget)) => {
                let active = self.requests.used() + self.pending_requests.used();
                let share = f64::from(active) * budget.percent / 100.0;
                (share as u32).max(budget.least)
            }
            _ => self.limit(resource).maximum,
        }
    }

    fn counts(&self, resource: Resource) -> bool {
        let is_base = matches!(resource, Resource::Requests | Resource::PendingRequests);
        self.maximum(resource) != u32::MAX || (is_base && self.budget.is_some())
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
        if !self.counts(resource) {
            return Some(LimitGuard { held: None });
        }
        limit.take(self.maximum(resource)).then(|| LimitGuard {
            held: Some((Arc::clone(self), resource)),
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
        if let Some((limits, resource)) = &self.held {
            let limit = limits.limit(*resource);
            limit.used.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_budget_grows_with_the_requests_in_flight() {
        let budget = RetryBudget {
            percent: 20.0,
            least: 2,
        };
        let limits = Thresholds::new(u32::MAX, u32::MAX, u32::MAX, 1).with_budget(Some(budget));
        let limits = Arc::new(limits);
        let taken = |resource| limits.take(resource);
        let first: Vec<_> = (0..3).filter_map(|_| taken(Resource::Retries)).collect();
        assert_eq!(first.len(), 2, "the least is always allowed");
        let requests: Vec<_> = (0..25).filter_map(|_| taken(Resource::Requests)).collect();
        let more: Vec<_> = (0..9).filter_map(|_| taken(Resource::Retries)).collect();
        assert_eq!(more.len(), 3, "a fifth of 25 requests");
        drop(requests);
        assert!(taken(Resource::Retries).is_none());
    }

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
