//! How long an exchange may take, from config and from internal fields.

use std::time::Duration;

use ferromesh_http::Headers;
use ferromesh_route::action::Forward;

use super::deadline::Deadlines;
use super::exchange::Exchange;
use super::upload::RequestBody;

impl Exchange<'_> {
    /// The deadlines that are known when the exchange begins.
    pub(super) fn deadlines(&mut self, forward: &Forward, body: &RequestBody) -> Deadlines {
        let timeouts = &self.manager.timeouts;
        let now = self.started;
        let mut deadlines = Deadlines::default();
        let asked = self.grpc_timeout();
        deadlines.request_limit = self.request_timeout(forward, asked);
        let idle = forward.timeouts.idle.unwrap_or(timeouts.stream_idle);
        deadlines.set_idle(idle, now);
        deadlines.stream = self.stream_limit(forward, asked).map(|limit| now + limit);
        if !body.is_complete() {
            deadlines.upload = timeouts.request.map(|limit| now + limit);
        }
        deadlines
    }

    fn grpc_timeout(&self) -> Option<Duration> {
        let asked = self.head.headers.text("grpc-timeout")?;
        grpc_timeout(asked)
    }

    /// The route's timeout, or what an internal field or `grpc-timeout` asks for.
    fn request_timeout(&self, forward: &Forward, asked: Option<Duration>) -> Option<Duration> {
        let timeouts = &forward.timeouts;
        let by_route = match timeouts.grpc_timeout_max {
            // A route that limits streams leaves it at that.
            _ if timeouts.limits_streams => None,
            Some(most) if self.grpc => capped(asked, most),
            _ => timeouts.request,
        };
        let headers = &self.head.headers;
        let expected = if self.manager.router.respect_expected_rq_timeout {
            millis(headers, "x-envoy-expected-rq-timeout-ms")
        } else {
            None
        };
        let by_request = expected.or_else(|| millis(headers, "x-envoy-upstream-rq-timeout-ms"));
        by_request.unwrap_or(by_route)
    }

    /// The stream's whole life. A capped `grpc-timeout` is passed on as it was capped.
    fn stream_limit(&mut self, forward: &Forward, asked: Option<Duration>) -> Option<Duration> {
        let timeouts = &forward.timeouts;
        let (Some(asked), Some(most)) = (asked, timeouts.grpc_header_max) else {
            let by_manager = self.manager.timeouts.max_stream_duration;
            return timeouts.max_stream_duration.unwrap_or(by_manager);
        };
        let limit = capped(Some(asked), most);
        if let Some(limit) = limit {
            self.tell_grpc_timeout(limit);
        }
        limit
    }

    /// Tells a gRPC endpoint how long there is left.
    pub(super) fn tell_grpc_timeout(&mut self, limit: Duration) {
        self.head.headers.set("grpc-timeout", grpc_text(limit));
    }

    /// Time for one try: what the request asks for, or the policy's; not longer than the whole.
    pub(super) fn try_limit(
        &self,
        policy: Option<Duration>,
        whole: Option<Duration>,
    ) -> Option<Duration> {
        let asked = millis(&self.head.headers, "x-envoy-upstream-rq-per-try-timeout-ms");
        let limit = asked.unwrap_or(policy)?;
        whole.is_none_or(|whole| limit < whole).then_some(limit)
    }
}

/// A number of milliseconds, of which zero is without limit; `None` when there is none.
#[allow(clippy::option_option)]
fn millis(headers: &Headers, name: &str) -> Option<Option<Duration>> {
    let number: u64 = headers.text(name)?.parse().ok()?;
    Some((number > 0).then(|| Duration::from_millis(number)))
}

/// What is asked for, at most `most`; no wish and zero are without limit.
fn capped(asked: Option<Duration>, most: Option<Duration>) -> Option<Duration> {
    let asked = asked.filter(|asked| !asked.is_zero());
    match (asked, most) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, most) => asked.or(most),
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

/// A limit as `grpc-timeout`, in the finest unit from milliseconds on that eight digits hold.
fn grpc_text(limit: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let millis = limit.as_millis();
    match millis {
        0..=MOST => format!("{millis}m"),
        _ if millis / 1000 <= MOST => format!("{}S", millis / 1000),
        _ if millis / 60_000 <= MOST => format!("{}M", millis / 60_000),
        _ => format!("{}H", (millis / 3_600_000).min(MOST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read_and_written() {
        for (text, millis) in [
            ("5S", 5000),
            ("300m", 300),
            ("2M", 120_000),
            ("1H", 3_600_000),
        ] {
            let expected = Some(Duration::from_millis(millis));
            assert_eq!(grpc_timeout(text), expected, "{text}");
        }
        for wrong in ["", "5", "S", "123456789S", "-1S", "5x"] {
            assert_eq!(grpc_timeout(wrong), None, "{wrong}");
        }
        assert_eq!(grpc_text(Duration::from_secs(9)), "9000m");
        assert_eq!(grpc_text(Duration::from_secs(200_000)), "200000S");
    }

    #[test]
    fn no_wish_and_zero_are_without_limit() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(capped(None, None), None);
        assert_eq!(capped(None, second), second);
        assert_eq!(capped(Some(Duration::ZERO), second), second);
        assert_eq!(capped(Some(Duration::from_secs(9)), second), second);
        assert_eq!(capped(second, None), second);
    }
}
