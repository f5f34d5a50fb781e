//! Whether and when an exchange is tried again.

use std::borrow::Cow;
use std::time::Duration;

use ferromesh_http::{Method, RequestHead, ResponseHead};
use ferromesh_route::header_match::HeaderCondition;
use ferromesh_route::{HeaderMatch, RequestView, RetryOn, RetryPolicy};

use super::deadline::Expired;
use crate::cluster::{Address, LimitGuard};
use crate::upstream::ResetReason;

/// The tries of one exchange.
#[derive(Debug, Default)]
pub(super) struct Retries {
    policy: Option<RetryPolicy>,
    /// Time for one try.
    pub(super) per_try_timeout: Option<Duration>,
    per_try_idle_timeout: Option<Duration>,
    /// Retries made so far.
    pub(super) made: u32,
    /// Endpoints that were tried.
    pub(super) previous: Vec<Address>,
    /// Their priorities.
    pub(super) previous_priorities: Vec<u32>,
    /// Free repetitions after kept connections that had died.
    pub(super) replayed: u32,
    /// Refused streams that were sent again for free.
    pub(super) refused: u32,
    /// The wait that the last answer asked for.
    asked_wait: Option<Duration>,
    /// A unit of the circuit breaker, while a retry is in flight.
    pub(super) slot: Option<LimitGuard>,
}

/// What speaks for another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: what happened is final.
    Final,
    /// The policy covers it, but its retries are used up.
    Exhausted,
    /// Try again.
    Retry,
}

impl Retries {
    /// With the policy of the route, or of its virtual host, and what internal headers add.
    pub(super) fn new(policy: Option<&RetryPolicy>, head: &RequestHead) -> Self {
        let asked = ["x-envoy-retry-on", "x-envoy-retry-grpc-on"]
            .into_iter()
            .filter_map(|name| head.headers.text(name))
            .map(RetryOn::parse)
            .fold(RetryOn::default(), |all, one| all | one);
        let most = head.headers.text("x-envoy-max-retries");
        let most = most.and_then(|most| most.parse().ok());
        let per_try_timeout = policy.and_then(|policy| policy.per_try_timeout);
        let per_try_idle_timeout = policy.and_then(|policy| policy.per_try_idle_timeout);
        let mut policy = match policy {
            Some(policy) => Some(policy.clone()),
            None if asked.is_empty() => None,
            None => Some(RetryPolicy::default()),
        };
        if let Some(policy) = &mut policy {
            policy.on |= asked;
            if let Some(most) = most {
                policy.retries = most;
            }
            add_asked(policy, head);
            let view = HeadView(head);
            let wanted = &policy.request_headers;
            let excluded = !wanted.is_empty() && !wanted.iter().any(|one| one.is_match(&view));
            if policy.on.is_empty() || excluded {
                policy.retries = 0;
            }
        }
        Self {
            policy: policy.filter(|policy| policy.retries > 0),
            per_try_timeout,
            per_try_idle_timeout,
            ..Self::default()
        }
    }

    /// Whether a policy may ask where the tries went.
    pub(super) fn has_policy(&self) -> bool {
        self.policy.is_some()
    }

    /// Whether another try may come, so that the body has to be kept.
    pub(super) fn is_possible(&self) -> bool {
        self.policy
            .as_ref()
            .is_some_and(|policy| self.made < policy.retries)
    }

    /// Time for one try.
    pub(super) fn per_try_timeout(&self) -> Option<Duration> {
        self.per_try_timeout
    }

    /// Time in which something of a try has to move.
    pub(super) fn per_try_idle_timeout(&self) -> Option<Duration> {
        self.per_try_idle_timeout
    }

    /// Endpoints to avoid, and how often to pick again.
    pub(super) fn avoid(&self) -> (&[Address], u32) {
        match &self.policy {
            Some(policy) if policy.avoid_previous_hosts => {
                (&self.previous, policy.host_selection_attempts)
            }
            _ => (&[], 1),
        }
    }

    /// Priorities to avoid: those of the tries so far, looked at after every so many.
    pub(super) fn avoided_priorities(&self) -> &[u32] {
        let frequency = self.policy.as_ref();
        let frequency = frequency.and_then(|policy| policy.avoid_previous_priorities);
        let Some(frequency) = frequency else {
            return &[];
        };
        let frequency = frequency.max(1) as usize;
        let looked_at = self.previous_priorities.len() / frequency * frequency;
        &self.previous_priorities[..looked_at]
    }

    /// Whether the answer is one to try again after.
    pub(super) fn after_answer(&self, head: &ResponseHead) -> Verdict {
        let Some(policy) = &self.policy else {
            return Verdict::Final;
        };
        let on = policy.on;
        let status = head.status;
        let grpc = head.headers.text("grpc-status");
        let grpc = grpc.and_then(|status| status.parse().ok());
        if head.headers.contains("x-envoy-ratelimited") {
            return self.verdict(on.contains(RetryOn::RATE_LIMITED));
        }
        let wanted = (on.contains(RetryOn::SERVER_ERROR) && status >= 500)
            || (on.contains(RetryOn::GATEWAY_ERROR) && matches!(status, 502..=504))
            || (on.contains(RetryOn::RETRIABLE_4XX) && status == 409)
            || (on.contains(RetryOn::STATUS_CODES) && policy.status_codes.contains(&status))
            || grpc.is_some_and(|status| on.grpc_status(status))
            || (on.contains(RetryOn::RESPONSE_HEADERS)
                && policy
                    .response_headers
                    .iter()
                    .any(|one| one.is_match(&AnswerView(head))));
        self.verdict(wanted)
    }

    /// Whether the failure is one to try again after. `begun`: the request may have been sent.
    pub(super) fn after_reset(&self, reason: ResetReason, begun: bool) -> Verdict {
        let Some(policy) = &self.policy else {
            return Verdict::Final;
        };
        let on = policy.on;
        let wanted = reason != ResetReason::Overflow
            && (on.intersects(RetryOn::SERVER_ERROR | RetryOn::GATEWAY_ERROR | RetryOn::RESET)
                || (on.contains(RetryOn::RESET_BEFORE_REQUEST) && !begun)
                || (on.contains(RetryOn::REFUSED_STREAM) && reason == ResetReason::RemoteRefused)
                || (on.contains(RetryOn::CONNECT_FAILURE) && reason.is_connect_failure()));
        self.verdict(wanted)
    }

    /// Whether the end of a deadline is one to try again after.
    pub(super) fn after_expiry(&self, expired: Expired) -> Verdict {
        if !matches!(expired, Expired::Try | Expired::TryIdle) {
            return Verdict::Final;
        }
        self.after_reset(ResetReason::LocalReset, true)
    }

    /// Whether a try that takes too long gets company.
    pub(super) fn after_late_try(&self) -> Verdict {
        self.verdict(true)
    }

    /// Notes the wait that a header of the answer asks for.
    pub(super) fn note_asked_wait(&mut self, head: &ResponseHead, now: Duration) {
        self.asked_wait = self.policy.as_ref().and_then(|policy| {
            let mut headers = policy.reset_headers.iter();
            let asked = headers.find_map(|header| {
                let value = head.headers.text(&header.name)?;
                header.wait(value, now)
            });
            asked.filter(|wait| *wait <= policy.reset_max_interval)
        });
    }

    /// The wait before the next try.
    pub(super) fn back_off(&self, random: u64) -> Duration {
        if let Some(asked) = self.asked_wait {
            // Up to half as long again, so that those who were told the same do not come together.
            let spread = (asked.as_millis() as u64 / 2).max(1);
            return asked + Duration::from_millis(random % spread);
        }
        self.policy
            .as_ref()
            .map_or(Duration::ZERO, |policy| policy.back_off(self.made, random))
    }

    fn verdict(&self, wanted: bool) -> Verdict {
        match (wanted, self.is_possible()) {
            (false, _) => Verdict::Final,
            (true, false) => Verdict::Exhausted,
            (true, true) => Verdict::Retry,
        }
    }
}

/// Adds what internal fields of the request name as reasons for another try.
fn add_asked(policy: &mut RetryPolicy, head: &RequestHead) {
    if let Some(codes) = head.headers.text("x-envoy-retriable-status-codes") {
        let codes = codes
            .split(',')
            .filter_map(|code| code.trim().parse::<u16>().ok());
        policy.status_codes.extend(codes);
    }
    if let Some(names) = head.headers.text("x-envoy-retriable-header-names") {
        let matches = names.split(',').map(|name| HeaderMatch {
            name: name.trim().to_ascii_lowercase().into(),
            condition: HeaderCondition::Present(true),
            invert: false,
            missing_is_empty: false,
        });
        policy.response_headers.extend(matches);
    }
}

/// Whether repeating the request does no more than making it once (RFC 9110 section 9.2.2).
pub(super) fn is_idempotent(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::PUT,
        Method::DELETE,
    ]
    .contains(method)
}

struct HeadView<'a>(&'a RequestHead);

impl RequestView for HeadView<'_> {
    fn method(&self) -> &str {
        self.0.method.as_str()
    }

    fn scheme(&self) -> &str {
        self.0.scheme.as_str()
    }

    fn authority(&self) -> &str {
        self.0.authority()
    }

    fn path(&self) -> &str {
        self.0.path()
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.headers.joined(name)
    }

    fn any_value(&self, name: &str, matches: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        self.0.headers.any_value(name, matches)
    }
}

/// An answer for header matchers, which know only headers of it.
struct AnswerView<'a>(&'a ResponseHead);

impl RequestView for AnswerView<'_> {
    fn method(&self) -> &'static str {
        ""
    }

    fn scheme(&self) -> &'static str {
        ""
    }

    fn authority(&self) -> &'static str {
        ""
    }

    fn path(&self) -> &'static str {
        ""
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.headers.joined(name)
    }

    fn any_value(&self, name: &str, matches: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        self.0.headers.any_value(name, matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries(on: RetryOn) -> Retries {
        let policy = RetryPolicy {
            on,
            retries: 1,
            status_codes: vec![418],
            ..RetryPolicy::default()
        };
        Retries::new(Some(&policy), &RequestHead::new(Method::GET, "a", "/"))
    }

    #[test]
    fn answers_are_tried_again_as_the_policy_says() {
        for (on, status, expected) in [
            (RetryOn::SERVER_ERROR, 500, Verdict::Retry),
            (RetryOn::SERVER_ERROR, 404, Verdict::Final),
            (RetryOn::GATEWAY_ERROR, 503, Verdict::Retry),
            (RetryOn::GATEWAY_ERROR, 500, Verdict::Final),
            (RetryOn::STATUS_CODES, 418, Verdict::Retry),
            (RetryOn::RETRIABLE_4XX, 409, Verdict::Retry),
        ] {
            let verdict = retries(on).after_answer(&ResponseHead::new(status));
            assert_eq!(verdict, expected, "{status}");
        }
    }

    #[test]
    fn a_used_up_policy_says_so() {
        let mut retries = retries(RetryOn::CONNECT_FAILURE);
        let reason = ResetReason::RemoteConnectionFailure;
        assert_eq!(retries.after_reset(reason, false), Verdict::Retry);
        retries.made = 1;
        assert_eq!(retries.after_reset(reason, false), Verdict::Exhausted);
        let other = ResetReason::ConnectionTermination;
        assert_eq!(retries.after_reset(other, true), Verdict::Final);
    }
}
