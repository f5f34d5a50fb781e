//! How long an exchange may take, from config and from internal headers.

use std::time::Duration;

use ferromesh_route::action::Forward;

use super::deadline::Deadlines;
use super::exchange::Exchange;
use super::upload::RequestBody;

impl Exchange<'_> {
    /// The deadlines that are known when the exchange begins.
    pub(super) fn deadlines(&self, forward: &Forward, body: &RequestBody) -> Deadlines {
        let timeouts = &self.manager.timeouts;
        let now = self.started;
        let mut deadlines = Deadlines::default();
        deadlines.request_limit = self.request_timeout(forward);
        let idle = forward.timeouts.idle.unwrap_or(timeouts.stream_idle);
        deadlines.set_idle(idle, now);
        let stream = forward.timeouts.max_stream_duration;
        let stream = stream.unwrap_or(timeouts.max_stream_duration);
        deadlines.stream = stream.map(|limit| now + limit);
        if !body.is_complete() {
            deadlines.upload = timeouts.request.map(|limit| now + limit);
        }
        deadlines
    }

    /// The route's timeout, or what an internal header or `grpc-timeout` asks for.
    fn request_timeout(&self, forward: &Forward) -> Option<Duration> {
        if let Some(most) = forward.timeouts.grpc_timeout_max
            && self.grpc
            && let Some(asked) = self
                .head
                .headers
                .text("grpc-timeout")
                .and_then(grpc_timeout)
        {
            return Some(most.map_or(asked, |most| asked.min(most)));
        }
        let asked = self.head.headers.text("x-envoy-upstream-rq-timeout-ms");
        match asked.and_then(|millis| millis.parse().ok()) {
            Some(0) => None,
            Some(millis) => Some(Duration::from_millis(millis)),
            None => forward.timeouts.request,
        }
    }
}

/// The value of `grpc-timeout`: up to eight digits and a unit.
fn grpc_timeout(value: &str) -> Option<Duration> {
    let unit = value.chars().last()?;
    let digits = value.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(amount * 3600),
        'M' => Duration::from_secs(amount * 60),
        'S' => Duration::from_secs(amount),
        'm' => Duration::from_millis(amount),
        'u' => Duration::from_micros(amount),
        'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}
