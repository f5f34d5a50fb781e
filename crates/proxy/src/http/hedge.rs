//! Hedging (`hedge_on_per_try_timeout`): a try that takes too long is not given up but gets company;
//! the first good answer wins, and the other tries are cancelled.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ferromesh_http::{Framing, Method, ResponseHead};
use ferromesh_route::action::Forward;
use tokio::time::Sleep;

use super::attempt::{Answer, Ends, Failure, HeadRules};
use super::deadline::Expired;
use super::exchange::{End, Exchange, Outcome};
use super::forward::Target;
use super::local_reply::LocalReply;
use super::retry::{Retries, Verdict};
use super::start;
use super::upload::Upload;
use super::upstream::Upstream;
use crate::access_log::ResponseFlags;
use crate::cluster::{ActiveRequestGuard, Endpoint, Finding, LimitGuard, Thresholds};
use crate::compiled::Cluster;
use crate::upstream::{AcquireError, Acquired, Wanted, acquire};

/// The tries that are under way.
#[derive(Default)]
struct Race {
    tries: Vec<Try>,
    /// Before the next one begins.
    pause: Option<Pin<Box<Sleep>>>,
}

/// One try.
struct Try {
    endpoint: Arc<Endpoint>,
    active: ActiveRequestGuard,
    /// When it is late; `None` once it was.
    due: Option<Instant>,
    stage: Stage,
}

enum Stage {
    Connecting(Pin<Box<dyn Future<Output = Result<Acquired, AcquireError>>>>),
    Waiting(Box<(Upstream, Upload, LimitGuard)>),
}

/// What happens next in a race.
enum Event {
    /// The head of an answer to the try of this number.
    Answer(usize, ResponseHead, Framing),
    /// That try came to nothing.
    Failed(usize, Failure),
    /// Some tries are late.
    Late,
    /// The pause is over.
    Begin,
    /// The whole exchange is over.
    Interrupted(Failure),
}

impl Exchange<'_> {
    /// Whether tries of this exchange get company.
    pub(super) fn hedges(&self, forward: &Forward, retries: &Retries) -> bool {
        let by_host = self.virtual_host.as_ref();
        let wanted = forward
            .hedge_on_per_try_timeout
            .or(by_host.map(|host| host.hedge_on_per_try_timeout));
        let asked = self.head.headers.find("x-envoy-hedge-on-per-try-timeout");
        (wanted == Some(true) || asked == Some(b"true"))
            && retries.per_try_timeout().is_some()
            && self.head.method != Method::CONNECT
            && self.head.protocol().is_none()
    }

    /// Sends the request as [`Self::try_endpoints`] does, but leaves late tries running.
    pub(super) async fn try_side_by_side(
        &mut self,
        target: &mut Target<'_>,
        ends: &mut Ends<'_, '_>,
    ) -> End {
        let mut race = Race::default();
        let mut event = Event::Begin;
        loop {
            match event {
                Event::Begin => {
                    race.pause = None;
                    if !self.join(&mut race, target, ends) && race.tries.is_empty() {
                        let reply = LocalReply::no_healthy_upstream();
                        return self.no_endpoint(reply, &target.cluster, ends).await;
                    }
                }
                Event::Late => self.note_late(&mut race, target, ends),
                Event::Answer(number, head, framing) => {
                    let won = race.tries.swap_remove(number);
                    target.cluster.note(&won.endpoint, Finding::of(&head));
                    if self.drops_answer(&head, &won, &mut race, target, ends) {
                        won.end(Some(head.status), &mut self.outcome);
                    } else {
                        race.cancel(&mut self.outcome);
                        return self.take(won, head, framing, target, ends).await;
                    }
                }
                Event::Failed(number, failure) => {
                    let lost = race.tries.swap_remove(number);
                    let first = lost.due.is_some();
                    if let Some(finding) = failure.finding() {
                        target.cluster.note(&lost.endpoint, finding);
                    }
                    lost.end(None, &mut self.outcome);
                    let again = first && self.repeats_failure(&failure, target, ends);
                    if again {
                        self.pause(&mut race, target);
                    } else if !race.goes_on() {
                        return self.give_up(failure, &target.cluster, ends).await;
                    }
                }
                Event::Interrupted(failure) => {
                    race.cancel(&mut self.outcome);
                    return self.give_up(failure, &target.cluster, ends).await;
                }
            }
            event = self.next_event(&mut race, target, ends).await;
        }
    }

    /// Begins another try; false when there is no endpoint for it.
    fn join(&mut self, race: &mut Race, target: &mut Target<'_>, ends: &mut Ends<'_, '_>) -> bool {
        let cluster = Arc::clone(&target.cluster);
        let Some(endpoint) = self.pick(&cluster, target.hash, &target.retries) else {
            return false;
        };
        self.begin_try(target, &endpoint, ends);
        let limits = Arc::clone(&target.limits);
        let filters = &self.manager.filters;
        let Wanted {
            speak,
            options,
            variant,
            ..
        } = start::wanted(
            self.connection,
            filters,
            &self.head,
            &cluster,
            &endpoint,
            &limits,
        );
        let (worker, to) = (Rc::clone(self.worker), Arc::clone(&endpoint));
        let doubts = target.retries.replayed > 0;
        let connecting = async move {
            let wanted = Wanted {
                speak,
                options,
                variant,
                doubts,
                limits: &limits,
            };
            acquire(&worker, &cluster, &to, &wanted).await
        };
        race.tries.push(Try {
            active: endpoint.counters.request_started(),
            due: ends.deadlines.per_try,
            stage: Stage::Connecting(Box::pin(connecting)),
            endpoint,
        });
        true
    }

    async fn next_event(
        &mut self,
        race: &mut Race,
        target: &Target<'_>,
        ends: &mut Ends<'_, '_>,
    ) -> Event {
        let rules = self.head_rules();
        ends.deadlines.per_try = race.tries.iter().filter_map(|each| each.due).min();
        poll_fn(|cx| {
            for (number, each) in race.tries.iter_mut().enumerate() {
                match self.poll_try(cx, each, target, ends, &rules) {
                    Poll::Pending => {}
                    Poll::Ready(Ok((head, framing))) => {
                        return Poll::Ready(Event::Answer(number, head, framing));
                    }
                    Poll::Ready(Err(Failure::Gone)) => {
                        return Poll::Ready(Event::Interrupted(Failure::Gone));
                    }
                    Poll::Ready(Err(failure)) => {
                        return Poll::Ready(Event::Failed(number, failure));
                    }
                }
            }
            if let Some(pause) = &mut race.pause
                && pause.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Event::Begin);
            }
            match ready!(ends.poll_interrupted(cx)) {
                Failure::Expired(Expired::Try) => Poll::Ready(Event::Late),
                failure => Poll::Ready(Event::Interrupted(failure)),
            }
        })
        .await
    }

    fn poll_try(
        &mut self,
        cx: &mut Context<'_>,
        each: &mut Try,
        target: &Target<'_>,
        ends: &mut Ends<'_, '_>,
        rules: &HeadRules,
    ) -> Poll<Result<(ResponseHead, Framing), Failure>> {
        let (cluster, limits): (&Cluster, &Arc<Thresholds>) = (&target.cluster, &target.limits);
        loop {
            match &mut each.stage {
                Stage::Connecting(connecting) => {
                    let acquired = ready!(connecting.as_mut().poll(cx));
                    let (acquired, slot) = start::admit(acquired, cluster, limits)?;
                    let framing = ends.body.framing;
                    start::note(&acquired, &mut self.outcome);
                    let upstream = start::send_head(&self.head, framing, cluster, acquired)?;
                    let waiting = (upstream, Upload::default(), slot);
                    each.stage = Stage::Waiting(Box::new(waiting));
                }
                Stage::Waiting(waiting) => {
                    let (upstream, upload, _) = &mut **waiting;
                    return ends.poll_head(cx, upstream, upload, rules);
                }
            }
        }
    }

    /// Tries whose time is over get company, if the policy has retries left.
    fn note_late(&mut self, race: &mut Race, target: &mut Target<'_>, ends: &Ends<'_, '_>) {
        let now = Instant::now();
        for number in 0..race.tries.len() {
            if race.tries[number].due.is_none_or(|due| due > now) {
                continue;
            }
            race.tries[number].due = None;
            target.cluster.stats.upstream_rq_per_try_timeout().inc();
            let endpoint = &race.tries[number].endpoint;
            target.cluster.note(endpoint, Finding::TimedOut);
            match target.retries.after_late_try() {
                Verdict::Retry if ends.body.can_replay() => {
                    if self.may_retry(target) {
                        self.pause(race, target);
                    }
                }
                Verdict::Exhausted => {
                    let stats = &target.cluster.stats;
                    stats.upstream_rq_retry_limit_exceeded().inc();
                    let flag = ResponseFlags::RETRY_LIMIT_EXCEEDED;
                    self.outcome.flags.insert(flag);
                }
                Verdict::Retry | Verdict::Final => {}
            }
        }
    }

    fn pause(&self, race: &mut Race, target: &Target<'_>) {
        let wait = target.retries.back_off(self.worker.random());
        race.pause = Some(Box::pin(tokio::time::sleep(wait)));
    }

    /// Whether an answer is thrown away: for another try, or since others may still do better.
    fn drops_answer(
        &mut self,
        head: &ResponseHead,
        won: &Try,
        race: &mut Race,
        target: &mut Target<'_>,
        ends: &Ends<'_, '_>,
    ) -> bool {
        if won.due.is_some() && self.repeats_answer(head, target, ends) {
            self.pause(race, target);
            return true;
        }
        race.goes_on() && target.retries.after_answer(head) != Verdict::Final
    }

    async fn take(
        &mut self,
        won: Try,
        head: ResponseHead,
        framing: Framing,
        target: &Target<'_>,
        ends: &mut Ends<'_, '_>,
    ) -> End {
        let Stage::Waiting(waiting) = won.stage else {
            return End::Broken;
        };
        let (upstream, upload, slot) = *waiting;
        self.outcome.endpoint = Some(Arc::clone(&won.endpoint));
        let answer = Answer {
            head,
            framing,
            upstream,
            upload,
            slot,
        };
        let endpoint = (&*won.endpoint, won.active);
        self.pass_on(answer, &target.cluster, endpoint, ends).await
    }
}

impl Race {
    fn goes_on(&self) -> bool {
        !self.tries.is_empty() || self.pause.is_some()
    }

    fn cancel(&mut self, outcome: &mut Outcome) {
        self.pause = None;
        for each in self.tries.drain(..) {
            each.stage.give_up(outcome);
        }
    }
}

impl Try {
    fn end(self, status: Option<u16>, outcome: &mut Outcome) {
        self.endpoint.counters.request_ended(status);
        self.stage.give_up(outcome);
    }
}

impl Stage {
    fn give_up(self, outcome: &mut Outcome) {
        if let Self::Waiting(waiting) = self {
            outcome.give_up(waiting.0);
        }
    }
}
