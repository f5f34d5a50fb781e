//! Forwarding: the tries of one exchange, from the choice of the cluster to the answer that is
//! passed on, or to the reply that says why there is none.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Instant, SystemTime};

use ferromesh_http::ResponseHead;
use ferromesh_route::action::Forward;
use ferromesh_route::rewrite::HostRewrite;

use super::attempt::{Ends, Failure};
use super::deadline::Expired;
use super::downstream::Downstream;
use super::exchange::{End, Exchange};
use super::local_reply::LocalReply;
use super::retry::{Retries, Verdict, is_idempotent};
use super::upload::RequestBody;
use crate::access_log::{ResponseFlags, TriedBefore};
use crate::cluster::{Endpoint, Finding, Resource, Thresholds};
use crate::compiled::{Cluster, Discovery, UpstreamHttp};
use crate::upstream::ResetReason;

/// Bytes of a body that are kept only because an endpoint may refuse the stream: one window of a
/// client that knows nothing better (RFC 9113 section 6.9.2) is most that comes before it says so.
const KEPT_FOR_REFUSALS: usize = 64 * 1024;

/// How often a stream may be refused before that is the outcome: by a full connection, by one
/// that is closing, and once more by bad luck.
const MOST_REFUSALS: u32 = 3;

/// How many kept connections may turn out to be dead before that is the outcome: an endpoint that
/// leaves ends all of them at once, and more than one may be taken before that is noticed.
const MOST_REPLAYS: u32 = 8;

/// What all tries of an exchange have in common.
pub(super) struct Target<'t> {
    forward: &'t Forward,
    pub(super) cluster: Arc<Cluster>,
    pub(super) limits: Arc<Thresholds>,
    pub(super) hash: Option<u64>,
    pub(super) retries: Retries,
}

impl Exchange<'_> {
    /// Sends the request to the route's cluster, as often as its policy allows.
    pub(super) async fn forward(
        &mut self,
        forward: &Forward,
        matched: usize,
        body: &mut RequestBody,
        downstream: &mut Downstream<'_>,
    ) -> End {
        self.manager.stats.rq_total().inc();
        if let Err(reply) = self.check_upgrade(forward) {
            return self.reply(reply, body, downstream).await;
        }
        let (cluster, weighted_host) = match self.choose_cluster(forward) {
            Ok(chosen) => chosen,
            Err(reply) => return self.reply(reply, body, downstream).await,
        };
        let limits = if forward.high_priority {
            Arc::clone(&cluster.circuit_breakers.high)
        } else {
            Arc::clone(&cluster.circuit_breakers.default)
        };
        if cluster.drops(|| self.worker.random()) {
            cluster.stats.upstream_rq_drop_overload().inc();
            cluster.stats.completed(503);
            return self.reply(LocalReply::dropped(), body, downstream).await;
        }
        let host = self.virtual_host.clone();
        let policy = forward.retry.as_ref();
        let policy = policy.or_else(|| host.as_ref().and_then(|host| host.retry.as_ref()));
        let mut deadlines = self.deadlines(forward, body);
        let mut retries = Retries::new(policy, &self.head);
        retries.per_try_timeout = self.try_limit(retries.per_try_timeout, deadlines.request_limit);
        if !retries.is_possible() {
            match &cluster.http {
                // There will be one try: nothing has to be kept for another.
                UpstreamHttp::Http1(_) if !is_idempotent(&self.head.method) => body.forget(),
                UpstreamHttp::Http1(_) => {}
                // Endpoints may refuse a stream unseen, which costs no more than a small body.
                _ => body.keep_at_most(KEPT_FOR_REFUSALS),
            }
        }
        deadlines.reuse(downstream.take_timer());
        let hash = self.hash(forward, &cluster);
        let hedges = self.hedges(forward, &retries);
        self.edit_request(
            forward,
            matched,
            weighted_host.as_deref(),
            deadlines.request_limit,
            retries.per_try_timeout.filter(|_| !hedges),
        );
        if self.answer_expectation(downstream).is_err() {
            return End::Gone;
        }
        cluster.stats.upstream_rq_active().inc();
        let mut ends = Ends {
            body,
            downstream,
            deadlines: &mut deadlines,
        };
        let mut target = Target {
            forward,
            cluster: Arc::clone(&cluster),
            limits,
            hash,
            retries,
        };
        let end = if let Discovery::ByName(names) = &cluster.discovery
            // Off the common path: the futures are boxed to keep the exchange's small.
            && let Err(end) = Box::pin(self.await_address(names, &cluster, &mut ends)).await
        {
            end
        } else {
            self.mirror(forward, ends.body);
            if hedges {
                Box::pin(self.try_side_by_side(&mut target, &mut ends)).await
            } else {
                self.try_endpoints(&mut target, &mut ends).await
            }
        };
        cluster.stats.upstream_rq_active().dec();
        downstream.keep_timer(deadlines.into_timer());
        end
    }

    async fn try_endpoints(&mut self, target: &mut Target<'_>, ends: &mut Ends<'_, '_>) -> End {
        let cluster = Arc::clone(&target.cluster);
        loop {
            let Some(endpoint) = self.pick(&cluster, target.hash, &target.retries) else {
                let reply = LocalReply::no_healthy_upstream();
                return self.no_endpoint(reply, &cluster, ends).await;
            };
            self.begin_try(target, &endpoint, ends);
            let active = endpoint.counters.request_started();
            let result = self.attempt(&cluster, &endpoint, target, ends).await;
            match result {
                Ok(answer) => {
                    cluster.note(&endpoint, Finding::of(&answer.head));
                    if !self.repeats_answer(&answer.head, target, ends) {
                        let endpoint = (&*endpoint, active);
                        return self.pass_on(answer, &cluster, endpoint, ends).await;
                    }
                    endpoint.counters.request_ended(Some(answer.head.status));
                    self.outcome.give_up(answer.upstream);
                }
                Err(failure) => {
                    endpoint.counters.request_ended(None);
                    if let Some(finding) = failure.finding() {
                        cluster.note(&endpoint, finding);
                    }
                    if !self.repeats_failure(&failure, target, ends) {
                        return self.give_up(failure, &cluster, ends).await;
                    }
                }
            }
            if let Err(failure) = self.back_off(&target.retries, ends).await {
                return self.give_up(failure, &cluster, ends).await;
            }
        }
    }

    /// There is no endpoint to try; that counts as a try.
    pub(super) async fn no_endpoint(
        &mut self,
        reply: LocalReply,
        cluster: &Cluster,
        ends: &mut Ends<'_, '_>,
    ) -> End {
        cluster.stats.upstream_cx_none_healthy().inc();
        cluster.stats.completed(reply.status);
        self.outcome.attempts += 1;
        self.reply(reply, ends.body, ends.downstream).await
    }

    /// Whether an answer is thrown away for another try; takes what that try needs.
    pub(super) fn repeats_answer(
        &mut self,
        head: &ResponseHead,
        target: &mut Target<'_>,
        ends: &Ends<'_, '_>,
    ) -> bool {
        let stats = &target.cluster.stats;
        match target.retries.after_answer(head) {
            Verdict::Retry if ends.body.can_replay() => {
                stats.completed(head.status);
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                target
                    .retries
                    .note_asked_wait(head, now.unwrap_or_default());
                self.may_retry(target)
            }
            Verdict::Exhausted => {
                stats.upstream_rq_retry_limit_exceeded().inc();
                self.outcome
                    .flags
                    .insert(ResponseFlags::RETRY_LIMIT_EXCEEDED);
                false
            }
            Verdict::Retry | Verdict::Final => {
                if target.retries.made > 0 {
                    stats.upstream_rq_retry_success().inc();
                }
                false
            }
        }
    }

    pub(super) fn begin_try(
        &mut self,
        target: &mut Target<'_>,
        endpoint: &Arc<Endpoint>,
        ends: &mut Ends<'_, '_>,
    ) {
        let Target {
            forward,
            cluster,
            retries,
            ..
        } = target;
        // The first try follows upon the request's head without a wait in most exchanges: what the
        // clock has moved on since then is not worth reading it.
        let at_once = self.outcome.attempts == 0 && self.manager.filters.is_empty();
        let now = if at_once {
            self.started
        } else {
            Instant::now()
        };
        self.outcome.attempts += 1;
        self.outcome.tried = Some(now);
        let before = self.outcome.endpoint.replace(Arc::clone(endpoint));
        if let Some(endpoint) = before {
            let before = self.outcome.tried_before.take();
            self.outcome.tried_before = Some(Box::new(TriedBefore { endpoint, before }));
        }
        cluster.stats.upstream_rq_total().inc();
        if retries.has_policy() {
            retries.previous.push(endpoint.address.clone());
            retries.previous_priorities.push(endpoint.priority);
        }
        ends.deadlines.per_try = retries.per_try_timeout().map(|limit| now + limit);
        ends.deadlines
            .set_try_idle(retries.per_try_idle_timeout(), now);
        let stream = cluster.connections.max_stream_duration;
        ends.deadlines.try_stream = stream.map(|limit| now + limit);
        if self.outcome.attempts > 1 && ends.body.is_complete() {
            self.expect_what_is_left(forward, retries, ends);
        }
        let count = self.virtual_host.as_ref();
        if count.is_some_and(|host| host.request_attempt_count) {
            let attempts = self.outcome.attempts.to_string();
            self.head.headers.set("x-envoy-attempt-count", attempts);
        }
        if let Some(rewrite) = &forward.host_rewrite
            && matches!(rewrite, HostRewrite::Endpoint)
            && !endpoint.hostname.is_empty()
            && self.head.authority() != endpoint.hostname.as_str()
        {
            self.rewrite_authority(forward, &endpoint.hostname);
        }
    }

    /// Tells the endpoint of another try how long there is left.
    fn expect_what_is_left(&mut self, forward: &Forward, retries: &Retries, ends: &Ends<'_, '_>) {
        let left = ends.deadlines.left();
        let per_try = retries.per_try_timeout();
        let limit = match (per_try, left) {
            (Some(per_try), Some(left)) => Some(per_try.min(left)),
            (per_try, left) => per_try.or(left),
        };
        self.expect_timeout(forward, limit);
    }

    /// Whether a failure is tried again; takes what the next try needs.
    pub(super) fn repeats_failure(
        &mut self,
        failure: &Failure,
        target: &mut Target<'_>,
        ends: &Ends<'_, '_>,
    ) -> bool {
        let Target {
            cluster, retries, ..
        } = target;
        let verdict = match failure {
            Failure::Gone => return false,
            Failure::Expired(expired) => {
                match expired {
                    Expired::Try => cluster.stats.upstream_rq_per_try_timeout().inc(),
                    Expired::TryIdle => {
                        cluster.stats.upstream_rq_per_try_idle_timeout().inc();
                    }
                    _ => {}
                }
                retries.after_expiry(*expired)
            }
            Failure::Reset {
                reason,
                begun,
                dead_connection,
                ..
            } => {
                // Who never saw the request was not tried: an endpoint that refused the stream
                // (RFC 9113 section 8.7), or one whose kept connection had died.
                let died = *dead_connection
                    && retries.replayed < MOST_REPLAYS
                    && *reason == ResetReason::ConnectionTermination
                    && is_idempotent(&self.head.method);
                let refused =
                    *reason == ResetReason::RemoteRefused && retries.refused < MOST_REFUSALS;
                if (died || refused) && ends.body.can_replay() {
                    retries.replayed += u32::from(died);
                    retries.refused += u32::from(refused);
                    retries.previous.pop();
                    retries.previous_priorities.pop();
                    return true;
                }
                retries.after_reset(*reason, *begun)
            }
        };
        match verdict {
            Verdict::Final => false,
            Verdict::Exhausted => {
                cluster.stats.upstream_rq_retry_limit_exceeded().inc();
                self.outcome
                    .flags
                    .insert(ResponseFlags::RETRY_LIMIT_EXCEEDED);
                false
            }
            Verdict::Retry => ends.body.can_replay() && self.may_retry(target),
        }
    }

    /// Takes a unit of the retry circuit breaker.
    pub(super) fn may_retry(&mut self, target: &mut Target<'_>) -> bool {
        let Target {
            cluster,
            limits,
            retries,
            ..
        } = target;
        retries.slot = None;
        retries.slot = limits.take(Resource::Retries);
        if retries.slot.is_none() {
            cluster.stats.upstream_rq_retry_overflow().inc();
            self.outcome.flags.insert(ResponseFlags::UPSTREAM_OVERFLOW);
            return false;
        }
        retries.made += 1;
        cluster.stats.upstream_rq_retry().inc();
        true
    }

    async fn back_off(&self, retries: &Retries, ends: &mut Ends<'_, '_>) -> Result<(), Failure> {
        if retries.made == 0 {
            return Ok(());
        }
        ends.deadlines.per_try = None;
        ends.deadlines.set_try_idle(None, Instant::now());
        let wait = retries.back_off(self.worker.random());
        let mut sleep = std::pin::pin!(tokio::time::sleep(wait));
        poll_fn(|cx| {
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            ends.poll_interrupted(cx).map(Err)
        })
        .await
    }

    /// Answers after the last try failed.
    pub(super) async fn give_up(
        &mut self,
        failure: Failure,
        cluster: &Cluster,
        ends: &mut Ends<'_, '_>,
    ) -> End {
        let reply = match failure {
            Failure::Gone => {
                cluster.stats.upstream_rq_cancelled().inc();
                return End::Gone;
            }
            Failure::Expired(expired) => {
                if expired == Expired::Request {
                    cluster.stats.upstream_rq_timeout().inc();
                }
                let mut reply = LocalReply::expired(expired, ends.body.is_complete());
                if self.alt_response && reply.status == 504 {
                    (reply.status, reply.body) = (204, "".into());
                }
                reply
            }
            Failure::Reset {
                reason,
                transport_failure,
                ..
            } => {
                if matches!(
                    reason,
                    ResetReason::RemoteReset | ResetReason::RemoteRefused
                ) {
                    cluster.stats.upstream_rq_rx_reset().inc();
                }
                let reply =
                    LocalReply::reset(reason, &transport_failure, self.outcome.attempts > 1);
                self.outcome.failure = transport_failure;
                reply
            }
        };
        cluster.stats.completed(reply.status);
        self.reply(reply, ends.body, ends.downstream).await
    }
}
