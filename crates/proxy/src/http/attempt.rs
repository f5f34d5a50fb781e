//! One try: a connection to an endpoint, the request, the head of the answer; then the body of the
//! answer that is kept.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ferromesh_http::{Frame, Framing, Method, ResponseHead};
use ferromesh_route::Action;

use super::deadline::{Deadlines, Expired};
use super::downstream::Downstream;
use super::exchange::{End, Exchange};
use super::forward::Target;
use super::start;
use super::upload::{RequestBody, Upload};
use super::upstream::Upstream;
use crate::cluster::{Endpoint, Finding, LimitGuard};
use crate::compiled::Cluster;
use crate::upstream::{Acquired, ResetReason, acquire};
use crate::worker::Turn;

/// A try that brought the head of an answer.
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    pub(super) framing: Framing,
    pub(super) upstream: Upstream,
    pub(super) upload: Upload,
    /// Its place among the requests in flight.
    pub(super) slot: LimitGuard,
}

/// A try that brought none.
pub(super) enum Failure {
    /// The exchange with the endpoint came to nothing.
    Reset {
        reason: ResetReason,
        /// Why the connection could not be made.
        transport_failure: String,
        /// Whether the request may have been sent.
        begun: bool,
        /// Whether only a kept connection may have died.
        dead_connection: bool,
    },
    /// A deadline passed.
    Expired(Expired),
    /// The client is gone.
    Gone,
}

impl Failure {
    pub(super) fn reset(reason: ResetReason, begun: bool) -> Self {
        Self::Reset {
            reason,
            transport_failure: String::new(),
            begun,
            dead_connection: false,
        }
    }
}

/// A request that could not be begun.
impl From<ResetReason> for Failure {
    fn from(reason: ResetReason) -> Self {
        Self::reset(reason, false)
    }
}

/// What decides about heads that come back.
pub(super) struct HeadRules {
    tunnel: bool,
    pass_interim: bool,
    method: Method,
}

/// The ends and the clock of an exchange, which every step needs together.
pub(super) struct Ends<'e, 'd> {
    pub(super) body: &'e mut RequestBody,
    pub(super) downstream: &'e mut Downstream<'d>,
    pub(super) deadlines: &'e mut Deadlines,
}

impl Ends<'_, '_> {
    /// Sends what is there of the request. An error: the client is gone.
    fn poll_upload(
        &mut self,
        cx: &mut Context<'_>,
        upload: &mut Upload,
        upstream: &mut Upstream,
    ) -> Result<(), Failure> {
        let before = self.body.received;
        let sent = upload.poll(cx, self.body, self.downstream, upstream);
        if self.body.received > before {
            self.deadlines.moved();
        }
        match sent {
            Poll::Ready(Err(_)) => Err(Failure::Gone),
            _ => Ok(()),
        }
    }

    /// Sends the body as far as it comes; resolves with the final head of the answer.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Upstream,
        upload: &mut Upload,
        rules: &HeadRules,
    ) -> Poll<Result<(ResponseHead, Framing), Failure>> {
        // A tunnel's bytes wait for the answer that opens it.
        if !rules.tunnel
            && let Err(failure) = self.poll_upload(cx, upload, upstream)
        {
            return Poll::Ready(Err(failure));
        }
        if let Poll::Ready(Err(_)) = upstream.poll_flush(cx) {
            // The endpoint may have answered before it closed; its answer tells.
            upload.broken = true;
        }
        while let Poll::Ready(result) = upstream.poll_head(cx, &rules.method) {
            let (head, framing) = match result {
                Ok(read) => read,
                Err(reason) => return Poll::Ready(Err(Failure::reset(reason, true))),
            };
            if head.status == 101 && !rules.tunnel {
                // RFC 9110 section 15.2.2: nobody asked for another protocol.
                let reason = ResetReason::ProtocolError;
                return Poll::Ready(Err(Failure::reset(reason, true)));
            }
            if !head.is_informational() {
                return Poll::Ready(Ok((head, framing)));
            }
            // As in Envoy: the setting is named after 100, and means all of them.
            if rules.pass_interim && self.downstream.send_interim(&head).is_err() {
                return Poll::Ready(Err(Failure::Gone));
            }
        }
        if let Poll::Ready(Err(_)) = self.downstream.poll_flush(cx) {
            return Poll::Ready(Err(Failure::Gone));
        }
        Poll::Pending
    }

    /// What can end a wait for the endpoint: a deadline, or the client leaving.
    pub(super) fn poll_interrupted(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        if let Some(completed) = self.body.completed {
            self.deadlines.request_complete(completed);
        }
        if let Poll::Ready(expired) = self.deadlines.poll(cx) {
            return Poll::Ready(Failure::Expired(expired));
        }
        // Who has ended its half of a tunnel may still read; writing to it tells when it does not.
        let half_open = self.body.is_tunnel() && !self.downstream.is_http2();
        if self.body.is_complete() && !half_open && self.downstream.poll_gone(cx).is_ready() {
            return Poll::Ready(Failure::Gone);
        }
        Poll::Pending
    }
}

impl Exchange<'_> {
    /// Tries `endpoint`, up to the head of its answer.
    pub(super) async fn attempt(
        &mut self,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<Endpoint>,
        target: &Target<'_>,
        ends: &mut Ends<'_, '_>,
    ) -> Result<Answer, Failure> {
        let limits = &target.limits;
        let ends_connect = self.ends_connect();
        let mut wanted = start::wanted(
            self.connection,
            &self.manager.filters,
            &self.head,
            cluster,
            endpoint,
            limits,
        );
        wanted.doubts = target.retries.replayed > 0;
        if ends_connect {
            start::want_bytes(&mut wanted);
        }
        let acquired = {
            let mut acquiring = pin!(acquire(self.worker, cluster, endpoint, &wanted));
            let mut waited = false;
            let acquired = poll_fn(|cx| match acquiring.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Ok(result)),
                Poll::Pending => {
                    waited = true;
                    ends.poll_interrupted(cx).map(Err)
                }
            })
            .await?;
            // Who finds a kept connection has not waited, and needs no look at the clock.
            let now = || Some(Instant::now());
            if acquired.is_ok() {
                self.outcome.connected = if waited { now() } else { self.outcome.tried };
            }
            acquired
        };
        let (acquired, slot) = start::admit(acquired, cluster, limits)?;
        cluster.note(endpoint, Finding::Connected);
        if ends_connect && let Acquired::Http1(lent) = acquired {
            self.outcome.upstream_local = lent.local;
            return Ok(Answer {
                head: ResponseHead::new(200),
                framing: Framing::UntilClose,
                upstream: Upstream::http1(lent, false),
                upload: Upload::default(),
                slot,
            });
        }
        let framing = ends.body.framing;
        start::note(&acquired, &mut self.outcome);
        let mut upstream = start::send_head(&self.head, framing, cluster, acquired)?;
        let mut upload = Upload::default();
        let result = self.wait_for_head(&mut upstream, &mut upload, ends).await;
        match result {
            Ok((head, framing)) => Ok(Answer {
                head,
                framing,
                upstream,
                upload,
                slot,
            }),
            Err(mut failure) => {
                if let Failure::Reset {
                    dead_connection, ..
                } = &mut failure
                {
                    *dead_connection = upstream.may_have_been_dead();
                }
                self.outcome.give_up(upstream);
                Err(failure)
            }
        }
    }

    /// Sends the body as far as it comes and waits for the final head.
    async fn wait_for_head(
        &mut self,
        upstream: &mut Upstream,
        upload: &mut Upload,
        ends: &mut Ends<'_, '_>,
    ) -> Result<(ResponseHead, Framing), Failure> {
        let rules = self.head_rules();
        let mut turn = Turn::default();
        let gives_way = upstream.sends_itself();
        poll_fn(|cx| {
            if gives_way {
                ready!(turn.poll_give_way(cx));
            }
            if let Poll::Ready(result) = ends.poll_head(cx, upstream, upload, &rules) {
                return Poll::Ready(result);
            }
            ends.poll_interrupted(cx).map(Err)
        })
        .await
    }

    /// Whether CONNECT ends here, so that the endpoint gets the bytes of the tunnel alone.
    fn ends_connect(&self) -> bool {
        let action = self.route.as_ref().map(|route| &route.action);
        self.head.method == Method::CONNECT
            && self.head.protocol().is_none()
            && matches!(action, Some(Action::Forward(forward)) if forward.ends_connect)
    }

    /// What decides about heads that come back.
    pub(super) fn head_rules(&self) -> HeadRules {
        HeadRules {
            tunnel: self.head.method == Method::CONNECT || self.head.protocol().is_some(),
            pass_interim: self.manager.proxy_100_continue,
            method: self.head.method.clone(),
        }
    }

    /// Streams the rest of the request up and the body of the answer down.
    pub(super) async fn stream_answer(
        &mut self,
        upstream: &mut Upstream,
        upload: &mut Upload,
        tunnel: bool,
        ends: &mut Ends<'_, '_>,
    ) -> Result<(), Failure> {
        let mut answered = false;
        let mut turn = Turn::default();
        let gives_way = !ends.downstream.is_http2();
        let outcome = &mut self.outcome;
        poll_fn(|cx| {
            if let Err(failure) = ends.poll_upload(cx, upload, upstream) {
                return Poll::Ready(Err(failure));
            }
            // The endpoint may stop reading and still send the answer to its end.
            let _ = upstream.poll_flush(cx);
            if tunnel && upload.done {
                let _ = upstream.poll_end_tunnel(cx);
            }
            while !answered {
                match ends.downstream.poll_room(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::Gone)),
                    Poll::Pending => break,
                }
                let Poll::Ready(frame) = upstream.poll_frame(cx) else {
                    break;
                };
                let sent = match frame {
                    Ok(Frame::Data(data)) => {
                        outcome.bytes_sent += data.len() as u64;
                        if let Some(messages) = &mut ends.body.messages {
                            messages.answer.feed(&data);
                        }
                        ends.deadlines.moved();
                        answered = upstream.is_body_done();
                        ends.downstream.send_data(data, answered)
                    }
                    Ok(Frame::Trailers(trailers)) => {
                        answered = true;
                        let sent = ends.downstream.send_end(Some(&trailers));
                        outcome.trailers = Some(trailers);
                        sent
                    }
                    Ok(Frame::End) => {
                        answered = true;
                        ends.downstream.send_end(None)
                    }
                    Err(reason) => return Poll::Ready(Err(Failure::reset(reason, true))),
                };
                if sent.is_err() {
                    return Poll::Ready(Err(Failure::Gone));
                }
            }
            if answered && gives_way {
                ready!(turn.poll_give_way(cx));
            }
            let flushed = match (answered, tunnel) {
                (true, true) => ends.downstream.poll_end_tunnel(cx),
                _ => ends.downstream.poll_flush(cx),
            };
            match flushed {
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::Gone)),
                Poll::Ready(Ok(())) if answered => return Poll::Ready(Ok(())),
                _ => {}
            }
            // An answer in flight to a client that is gone shows when it is written; one that
            // is silent shows here.
            ends.poll_interrupted(cx).map(Err)
        })
        .await
    }
}

impl Failure {
    /// What it says about the endpoint; `None` when it is not the endpoint's doing.
    pub(super) fn finding(&self) -> Option<Finding> {
        match self {
            Self::Gone
            | Self::Reset {
                reason: ResetReason::Overflow | ResetReason::LocalReset,
                ..
            }
            | Self::Reset {
                dead_connection: true,
                ..
            } => None,
            Self::Reset { .. } => Some(Finding::Failed),
            Self::Expired(
                Expired::Request | Expired::Try | Expired::TryIdle | Expired::TryStream,
            ) => Some(Finding::TimedOut),
            Self::Expired(_) => None,
        }
    }

    /// How the exchange ended when the answer had begun already.
    pub(super) fn end(&self) -> End {
        match self {
            Self::Gone => End::Gone,
            Self::Reset { .. } | Self::Expired(_) => End::Broken,
        }
    }
}
