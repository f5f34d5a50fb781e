//! Active health checks: the proxy asks endpoints whether they are well.
//!
//! [`watch`] runs one task per endpoint on the control side; [`probe`] asks once over HTTP, TCP or
//! gRPC; [`progress`] decides what the answers mean. Endpoints begin as failed until their first
//! check passes, and a cluster waits for the first round before it takes traffic.

mod probe;
mod progress;
pub(crate) mod watch;

use std::sync::Mutex;
use std::time::Duration;

use ferromesh_types::Str;

use super::{Endpoint, EndpointCounters, HealthFlags};
use crate::stats::HealthCheckStats;
use std::sync::Arc;

/// The health checks of one cluster.
#[derive(Debug)]
pub struct HealthChecks {
    /// How.
    pub settings: HealthCheckSettings,
    /// Its numbers.
    pub stats: HealthCheckStats,
    /// Whether a task looks after them already.
    watched: Mutex<bool>,
}

/// How endpoints are checked.
#[derive(Clone, Debug)]
pub struct HealthCheckSettings {
    /// How long a check may take.
    pub timeout: Duration,
    /// How long to wait between two.
    pub intervals: Intervals,
    /// A random part of this before the first one.
    pub initial_jitter: Duration,
    /// A random part of this is added to every wait.
    pub jitter: Duration,
    /// A random part of so many percent is added, too.
    pub jitter_percent: u32,
    /// Failures in a row that make an endpoint unhealthy.
    pub unhealthy_threshold: u32,
    /// Good checks in a row that make it healthy again.
    pub healthy_threshold: u32,
    /// Another port than the endpoint's.
    pub port: Option<u16>,
    /// What is asked.
    pub question: Question,
}

/// Between two checks.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// Of a healthy endpoint.
    pub healthy: Duration,
    /// While it is on its way to healthy.
    pub healthy_edge: Duration,
    /// Of an unhealthy one.
    pub unhealthy: Duration,
    /// While it is on its way to unhealthy.
    pub unhealthy_edge: Duration,
    /// While the cluster has never had a connection.
    pub no_traffic: Duration,
    /// The same for healthy endpoints.
    pub no_traffic_healthy: Duration,
}

/// What is asked of an endpoint.
#[derive(Clone, Debug)]
pub enum Question {
    /// An HTTP request.
    Http(HttpQuestion),
    /// A connection, and what is sent and must come back on it.
    Tcp {
        /// Sent first.
        send: Vec<u8>,
        /// Must come, in this order.
        receive: Vec<Vec<u8>>,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// Of which service; empty for the server.
        service: Str,
        /// The authority; empty for the cluster's name.
        authority: Str,
    },
}

/// An HTTP request and what its answer must be.
#[derive(Clone, Debug)]
pub struct HttpQuestion {
    /// The authority; empty for the endpoint's or the cluster's name.
    pub host: Str,
    /// The path.
    pub path: Str,
    /// The method.
    pub method: ferromesh_http::Method,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Fields that are added.
    pub add: Vec<(Str, Str)>,
    /// Fields that are left out.
    pub remove: Vec<Str>,
    /// Statuses that are well, as ranges without their end.
    pub expected: Vec<(u16, u16)>,
    /// Statuses that count as one failure of several; others are unhealthy at once.
    pub retriable: Vec<(u16, u16)>,
}

/// What a check says about one endpoint, where it differs from the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointCheck {
    /// Not checked at all.
    pub disabled: bool,
    /// Another port.
    pub port: Option<u16>,
    /// Another authority; empty for none.
    pub hostname: Str,
}

impl HealthChecks {
    /// With these settings; numbers go to `stats`.
    pub fn new(settings: HealthCheckSettings, stats: HealthCheckStats) -> Self {
        Self {
            settings,
            stats,
            watched: Mutex::new(false),
        }
    }

    /// Counters for an endpoint that is new: nothing is known of it until its first check.
    pub fn begin(counters: &EndpointCounters) {
        let unknown = HealthFlags::FAILED_ACTIVE.with(HealthFlags::PENDING_ACTIVE);
        counters.health.set(unknown);
    }
}

/// Whether the first check of an endpoint is still to come.
pub(crate) fn is_pending(endpoint: &Arc<Endpoint>) -> bool {
    let flags = endpoint.counters.health.flags();
    flags.intersects(HealthFlags::PENDING_ACTIVE)
}
