//! Outlier detection: endpoints that fail are ejected for a while.
//!
//! Workers count results in the endpoint's [`OutlierRecord`], which all of them share, and tell the
//! control side when a limit is reached. There [`decide`] judges: it alone ejects and takes back.
//! One task per cluster ([`watch`]) feeds it.

mod decide;
mod record;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ferromesh_http::ResponseHead;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub use record::OutlierRecord;

use super::Endpoint;
use crate::stats::OutlierStats;

/// What a request or a connection found out about an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It answered with this status.
    Answer(u16),
    /// A connection was made, and an answer will follow.
    Connected,
    /// A connection was made, and more will not be known of it.
    Served,
    /// No connection, or one that broke before an answer.
    Failed,
    /// No answer in time.
    TimedOut,
}

impl Finding {
    /// What the head of an answer says; a gRPC status counts as the HTTP status that it stands for.
    pub(crate) fn of(head: &ResponseHead) -> Self {
        let grpc = head.headers.text("grpc-status");
        let status = match grpc.and_then(|status| status.parse::<u32>().ok()) {
            None | Some(0) => head.status,
            Some(1) => 499,
            Some(3 | 9 | 11) => 400,
            Some(4) => 504,
            Some(5) => 404,
            Some(6 | 10) => 409,
            Some(7) => 403,
            Some(8) => 429,
            Some(12) => 501,
            Some(14) => 503,
            Some(16) => 401,
            Some(_) => 500,
        };
        Self::Answer(status)
    }
}

/// Why an endpoint is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Answers from 500 on, one after the other.
    Consecutive5xx,
    /// Answers 502, 503 or 504, one after the other.
    ConsecutiveGateway,
    /// Failures of our own, one after the other.
    ConsecutiveLocal,
    /// Fewer good answers than the others.
    SuccessRate,
    /// Fewer connections than the others.
    LocalSuccessRate,
    /// Too many bad answers.
    FailurePercentage,
    /// Too many failures of our own.
    LocalFailurePercentage,
}

/// How a cluster finds outliers. Percentages are 0 to 100.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierSettings {
    /// Answers from 500 on in a row.
    pub consecutive_5xx: u32,
    /// Answers 502 to 504 in a row.
    pub consecutive_gateway: u32,
    /// Failures of our own in a row.
    pub consecutive_local: u32,
    /// Whether failures of our own are counted apart from answers.
    pub split: bool,
    /// Between two looks at rates and ejected endpoints.
    pub interval: Duration,
    /// The first ejection; each further one is longer by as much.
    pub base_ejection: Duration,
    /// The longest ejection.
    pub max_ejection: Duration,
    /// Each ejection is longer by a random part of this.
    pub jitter: Duration,
    /// The most that may be ejected.
    pub max_percent: u32,
    /// Whether one may be ejected whatever the percentage says.
    pub always_one: bool,
    /// How often each cause really ejects.
    pub enforcing: Enforcing,
    /// Success rates.
    pub success_rate: SuccessRate,
    /// Failure percentages.
    pub failure_percentage: FailurePercentage,
    /// Whether a health check that passes ends an ejection.
    pub health_check_unejects: bool,
}

/// How often each cause really ejects, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforcing {
    /// [`Cause::Consecutive5xx`].
    pub consecutive_5xx: u32,
    /// [`Cause::ConsecutiveGateway`].
    pub consecutive_gateway: u32,
    /// [`Cause::ConsecutiveLocal`].
    pub consecutive_local: u32,
    /// [`Cause::SuccessRate`].
    pub success_rate: u32,
    /// [`Cause::LocalSuccessRate`].
    pub local_success_rate: u32,
    /// [`Cause::FailurePercentage`].
    pub failure_percentage: u32,
    /// [`Cause::LocalFailurePercentage`].
    pub local_failure_percentage: u32,
}

impl Enforcing {
    fn of(&self, cause: Cause) -> u32 {
        match cause {
            Cause::Consecutive5xx => self.consecutive_5xx,
            Cause::ConsecutiveGateway => self.consecutive_gateway,
            Cause::ConsecutiveLocal => self.consecutive_local,
            Cause::SuccessRate => self.success_rate,
            Cause::LocalSuccessRate => self.local_success_rate,
            Cause::FailurePercentage => self.failure_percentage,
            Cause::LocalFailurePercentage => self.local_failure_percentage,
        }
    }
}

/// Ejection of endpoints whose success rate is far below the others'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRate {
    /// With fewer endpoints that have enough requests nothing is judged.
    pub minimum_hosts: u32,
    /// Requests in an interval that are enough.
    pub request_volume: u32,
    /// How many standard deviations below the mean is too far.
    pub deviations: f64,
}

/// Ejection of endpoints by the share of failures alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePercentage {
    /// With fewer endpoints that have enough requests nothing is judged.
    pub minimum_hosts: u32,
    /// Requests in an interval that are enough.
    pub request_volume: u32,
    /// From this percentage on.
    pub threshold: u32,
}

impl Default for OutlierSettings {
    /// Envoy's.
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            consecutive_gateway: 5,
            consecutive_local: 5,
            split: false,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_mins(5),
            jitter: Duration::ZERO,
            max_percent: 10,
            always_one: false,
            enforcing: Enforcing {
                consecutive_5xx: 100,
                consecutive_gateway: 0,
                consecutive_local: 100,
                success_rate: 100,
                local_success_rate: 100,
                failure_percentage: 0,
                local_failure_percentage: 0,
            },
            success_rate: SuccessRate {
                minimum_hosts: 5,
                request_volume: 100,
                deviations: 1.9,
            },
            failure_percentage: FailurePercentage {
                minimum_hosts: 5,
                request_volume: 50,
                threshold: 85,
            },
            health_check_unejects: true,
        }
    }
}

/// A limit that an endpoint has reached.
type Suspect = (Arc<Endpoint>, Cause);

/// Outlier detection of one cluster.
#[derive(Debug)]
pub struct OutlierDetection {
    /// How.
    pub settings: OutlierSettings,
    /// Its numbers.
    pub stats: OutlierStats,
    suspects: UnboundedSender<Suspect>,
    /// Until the task that judges takes it.
    judge: Mutex<Option<UnboundedReceiver<Suspect>>>,
}

impl OutlierDetection {
    /// With these settings; numbers go to `stats`.
    pub fn new(settings: OutlierSettings, stats: OutlierStats) -> Self {
        let (suspects, judge) = unbounded_channel();
        Self {
            settings,
            stats,
            suspects,
            judge: Mutex::new(Some(judge)),
        }
    }

    /// Counts what was found out about an endpoint.
    pub fn note(&self, endpoint: &Arc<Endpoint>, finding: Finding) {
        let record = &endpoint.counters.health.outlier;
        if let Some(cause) = record.note(finding, &self.settings) {
            // Without a judge the proxy is at its end.
            let _ = self.suspects.send((Arc::clone(endpoint), cause));
        }
    }

    fn take_judge(&self) -> Option<UnboundedReceiver<Suspect>> {
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        judge.take()
    }
}
