//! One endpoint, and the counters that outlive every update of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ferromesh_types::{Locality, Str};

use super::Address;
use super::health::{EndpointHealth, HealthFlags};
use super::health_check::EndpointCheck;
use crate::compiled::UpstreamTransport;

/// One place that a cluster's requests can go to. Immutable except for its counters.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// Its host name, where the config gives one (DNS clusters, `hostname`); else empty.
    pub hostname: Str,
    /// Where it runs.
    pub locality: Locality,
    /// 0 is tried first.
    pub priority: u32,
    /// Its share within its locality; at least 1.
    pub weight: u32,
    /// What the control plane says about its health.
    pub health: Health,
    /// How to speak to it: the cluster's transport socket match, already decided.
    pub transport: Arc<UpstreamTransport>,
    /// `istio.workload` of its metadata; empty without.
    pub workload: Str,
    /// Its metadata for load balancing, by which subsets are made.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// What it says about its own health checks.
    pub check: Option<Box<EndpointCheck>>,
    /// Carried over by address from one set of endpoints to the next.
    pub counters: Arc<EndpointCounters>,
}

/// Whether an endpoint takes traffic, by all that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Yes.
    Healthy,
    /// After all healthy ones.
    Degraded,
    /// No, while others do.
    Unhealthy,
}

impl Endpoint {
    /// Whether it takes traffic, where the findings in `heeded` count.
    pub fn availability(&self, heeded: HealthFlags) -> Availability {
        let found = self.counters.health.flags().among(heeded);
        let failed = HealthFlags::FAILED_ACTIVE.with(HealthFlags::FAILED_OUTLIER);
        if matches!(self.health, Health::Unhealthy | Health::Draining) || found.intersects(failed) {
            Availability::Unhealthy
        } else if self.health == Health::Degraded || found.intersects(HealthFlags::DEGRADED_ACTIVE)
        {
            Availability::Degraded
        } else {
            Availability::Healthy
        }
    }
}

/// What the control plane says about an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nothing; it counts as healthy.
    #[default]
    Unknown,
    /// Healthy.
    Healthy,
    /// Not to be used while others are healthy.
    Unhealthy,
    /// Shutting down; only established sessions may go on.
    Draining,
    /// Used after all healthy ones.
    Degraded,
}

impl Health {
    /// Envoy's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
            Self::Draining => "DRAINING",
            Self::Degraded => "DEGRADED",
        }
    }
}

/// Numbers of one endpoint, over all workers. Shared on purpose: least-request balancing needs the
/// load that all workers together put on an endpoint.
#[derive(Debug, Default)]
pub struct EndpointCounters {
    /// Requests in flight.
    pub rq_active: AtomicU32,
    /// Requests sent.
    pub rq_total: AtomicU64,
    /// Answers below 500.
    pub rq_success: AtomicU64,
    /// Answers from 500 on, and resets.
    pub rq_error: AtomicU64,
    /// Requests that timed out.
    pub rq_timeout: AtomicU64,
    /// Open connections.
    pub cx_active: AtomicU32,
    /// Connections made.
    pub cx_total: AtomicU64,
    /// Connections that could not be made.
    pub cx_connect_fail: AtomicU64,
    /// What the proxy itself found out about the endpoint.
    pub health: EndpointHealth,
}

/// Counts a request as in flight for as long as it lives.
#[derive(Debug)]
pub struct ActiveRequestGuard(Arc<EndpointCounters>);

impl Drop for ActiveRequestGuard {
    fn drop(&mut self) {
        self.0.rq_active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a connection as open for as long as it lives.
#[derive(Debug)]
pub struct ActiveConnectionGuard(Arc<EndpointCounters>);

impl Drop for ActiveConnectionGuard {
    fn drop(&mut self) {
        self.0.cx_active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl EndpointCounters {
    /// Counts a request that is about to be sent.
    pub fn request_started(self: &Arc<Self>) -> ActiveRequestGuard {
        self.rq_total.fetch_add(1, Ordering::Relaxed);
        self.rq_active.fetch_add(1, Ordering::Relaxed);
        ActiveRequestGuard(Arc::clone(self))
    }

    /// Counts the end of a request; `None` stands for a reset.
    pub fn request_ended(&self, status: Option<u16>) {
        let counter = match status {
            Some(status) if status < 500 => &self.rq_success,
            _ => &self.rq_error,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that was made.
    pub fn connected(self: &Arc<Self>) -> ActiveConnectionGuard {
        self.cx_total.fetch_add(1, Ordering::Relaxed);
        self.cx_active.fetch_add(1, Ordering::Relaxed);
        ActiveConnectionGuard(Arc::clone(self))
    }

    /// Counts a connection that could not be made.
    pub fn connect_failed(&self) {
        self.cx_connect_fail.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests in flight, over all workers.
    pub fn active_requests(&self) -> u32 {
        self.rq_active.load(Ordering::Relaxed)
    }
}
