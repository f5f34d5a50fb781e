//! When and how a request is tried again. The decision itself is the engine's; this is the policy.

use std::ops::{BitOr, BitOrAssign};
use std::time::Duration;

use crate::header_match::HeaderMatch;

/// The conditions of `retry_on` and `retry_grpc_on`, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryOn(u32);

impl RetryOn {
    /// Any 5xx answer, or no answer at all.
    pub const SERVER_ERROR: Self = Self(1);
    /// 502, 503 or 504.
    pub const GATEWAY_ERROR: Self = Self(1 << 1);
    /// The upstream reset the stream or the connection without an answer.
    pub const RESET: Self = Self(1 << 2);
    /// As `RESET`, but only when no request byte was sent upstream.
    pub const RESET_BEFORE_REQUEST: Self = Self(1 << 3);
    /// No connection could be made.
    pub const CONNECT_FAILURE: Self = Self(1 << 4);
    /// The answer carries `x-envoy-ratelimited`.
    pub const RATE_LIMITED: Self = Self(1 << 5);
    /// 409.
    pub const RETRIABLE_4XX: Self = Self(1 << 6);
    /// The stream was reset with REFUSED_STREAM.
    pub const REFUSED_STREAM: Self = Self(1 << 7);
    /// The status is one of `RetryPolicy::status_codes`.
    pub const STATUS_CODES: Self = Self(1 << 8);
    /// The answer matches one of `RetryPolicy::response_headers`.
    pub const RESPONSE_HEADERS: Self = Self(1 << 9);
    /// gRPC status 1.
    pub const GRPC_CANCELLED: Self = Self(1 << 10);
    /// gRPC status 4.
    pub const GRPC_DEADLINE_EXCEEDED: Self = Self(1 << 11);
    /// gRPC status 13.
    pub const GRPC_INTERNAL: Self = Self(1 << 12);
    /// gRPC status 8.
    pub const GRPC_RESOURCE_EXHAUSTED: Self = Self(1 << 13);
    /// gRPC status 14.
    pub const GRPC_UNAVAILABLE: Self = Self(1 << 14);

    /// Whether all of `other` is in the set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in the set.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is retried.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads a comma-separated list. Names that mean nothing are left out, as Envoy does.
    pub fn parse(list: &str) -> Self {
        list.split(',')
            .map(|name| Self::named(name.trim()))
            .fold(Self::default(), BitOr::bitor)
    }

    fn named(name: &str) -> Self {
        match name {
            "5xx" => Self::SERVER_ERROR,
            "gateway-error" => Self::GATEWAY_ERROR,
            "reset" => Self::RESET,
            "reset-before-request" => Self::RESET_BEFORE_REQUEST,
            "connect-failure" => Self::CONNECT_FAILURE,
            "envoy-ratelimited" => Self::RATE_LIMITED,
            "retriable-4xx" => Self::RETRIABLE_4XX,
            "refused-stream" => Self::REFUSED_STREAM,
            "retriable-status-codes" => Self::STATUS_CODES,
            "retriable-headers" => Self::RESPONSE_HEADERS,
            "cancelled" => Self::GRPC_CANCELLED,
            "deadline-exceeded" => Self::GRPC_DEADLINE_EXCEEDED,
            "internal" => Self::GRPC_INTERNAL,
            "resource-exhausted" => Self::GRPC_RESOURCE_EXHAUSTED,
            "unavailable" => Self::GRPC_UNAVAILABLE,
            _ => Self::default(),
        }
    }

    /// Whether an answer with gRPC status `status` is retried.
    pub fn grpc_status(self, status: u32) -> bool {
        let wanted = match status {
            1 => Self::GRPC_CANCELLED,
            4 => Self::GRPC_DEADLINE_EXCEEDED,
            8 => Self::GRPC_RESOURCE_EXHAUSTED,
            13 => Self::GRPC_INTERNAL,
            14 => Self::GRPC_UNAVAILABLE,
            _ => return false,
        };
        self.contains(wanted)
    }
}

impl BitOr for RetryOn {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for RetryOn {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// How a request is tried again.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// When.
    pub on: RetryOn,
    /// How often at most, after the first try.
    pub retries: u32,
    /// Time for one try; `None` leaves only the request's timeout.
    pub per_try_timeout: Option<Duration>,
    /// Time without progress for one try.
    pub per_try_idle_timeout: Option<Duration>,
    /// First step of the exponential, fully jittered back-off.
    pub base_interval: Duration,
    /// Upper bound of a back-off step.
    pub max_interval: Duration,
    /// For `RetryOn::STATUS_CODES`.
    pub status_codes: Vec<u16>,
    /// For `RetryOn::RESPONSE_HEADERS`; the headers of the answer are matched.
    pub response_headers: Vec<HeaderMatch>,
    /// Only requests with these headers are retried; empty means all.
    pub request_headers: Vec<HeaderMatch>,
    /// Prefer endpoints that were not tried yet.
    pub avoid_previous_hosts: bool,
    /// Prefer priorities that were not tried yet, looked at after every so many tries.
    pub avoid_previous_priorities: Option<u32>,
    /// The wait that headers of the answer may ask for.
    pub reset_headers: Vec<ResetHeader>,
    /// Longer waits that those headers ask for are not believed.
    pub reset_max_interval: Duration,
    /// How often an endpoint is picked again when it was tried before.
    pub host_selection_attempts: u32,
}

/// A header of an answer that says when to come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetHeader {
    /// Its name, in lower case.
    pub name: ferromesh_types::Str,
    /// What its value is.
    pub format: ResetFormat,
}

/// What the value of such a header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetFormat {
    /// Seconds from now.
    Seconds,
    /// Seconds since 1970.
    UnixTimestamp,
}

impl ResetHeader {
    /// How long to wait; `now` is the time since 1970. `None` when the value says nothing.
    pub fn wait(&self, value: &str, now: Duration) -> Option<Duration> {
        let seconds: u64 = value.trim().parse().ok()?;
        let span = Duration::from_secs(seconds);
        match self.format {
            ResetFormat::Seconds => Some(span),
            ResetFormat::UnixTimestamp => span.checked_sub(now),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            on: RetryOn::default(),
            retries: 1,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(250),
            status_codes: Vec::new(),
            response_headers: Vec::new(),
            request_headers: Vec::new(),
            avoid_previous_hosts: false,
            avoid_previous_priorities: None,
            reset_headers: Vec::new(),
            reset_max_interval: Duration::from_mins(5),
            host_selection_attempts: 1,
        }
    }
}

impl RetryPolicy {
    /// The wait before retry `attempt` (1 is the first retry): full jitter over an interval that
    /// begins with the base and doubles, up to the maximum (which is what Envoy does; what it once
    /// documented was one, three, seven times the base). `random` is uniform.
    pub fn back_off(&self, attempt: u32, random: u64) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
        let ceiling = self.base_interval.saturating_mul(factor);
        let ceiling = ceiling.min(self.max_interval);
        let micros = u64::try_from(ceiling.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        Duration::from_micros(random % micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_istio_is_understood() {
        let on = RetryOn::parse("connect-failure,refused-stream, unavailable,cancelled,nonsense");
        assert!(on.contains(RetryOn::CONNECT_FAILURE | RetryOn::GRPC_UNAVAILABLE));
        assert!(on.grpc_status(1) && on.grpc_status(14) && !on.grpc_status(13));
        assert!(!on.contains(RetryOn::SERVER_ERROR));
    }

    #[test]
    fn a_header_asks_for_a_wait_in_either_format() {
        let header = |format| ResetHeader {
            name: "reset".into(),
            format,
        };
        let now = Duration::from_secs(1000);
        let wait = |format, value| header(format).wait(value, now);
        let three = Some(Duration::from_secs(3));
        assert_eq!(wait(ResetFormat::Seconds, "3"), three);
        assert_eq!(wait(ResetFormat::UnixTimestamp, "1003"), three);
        assert_eq!(wait(ResetFormat::UnixTimestamp, "900"), None);
        assert_eq!(wait(ResetFormat::Seconds, "soon"), None);
    }

    #[test]
    fn back_off_stays_below_its_maximum() {
        let policy = RetryPolicy::default();
        for (attempt, ceiling) in [(1, 25), (2, 50), (3, 100), (4, 200), (5, 250), (9, 250)] {
            let ceiling = Duration::from_millis(ceiling);
            let last = u64::try_from(ceiling.as_micros()).expect("short") - 1;
            let longest = policy.back_off(attempt, last);
            assert_eq!(longest, Duration::from_micros(last), "{attempt}");
            assert_eq!(policy.back_off(attempt, last + 1), Duration::ZERO);
        }
        for attempt in 1..40 {
            assert!(policy.back_off(attempt, u64::MAX) < policy.max_interval);
        }
    }
}
