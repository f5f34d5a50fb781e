//! Copies of requests to other clusters (`request_mirror_policies`): sent once the request is whole,
//! answers thrown away, without any effect on the request itself.
//!
//! The body is copied as it comes, up to the listener's buffer limit; a request above it has no
//! copies.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferromesh_http::{Frame, Framing, Headers, RequestHead};
use ferromesh_route::action::Forward;
use ferromesh_route::mirror::shadow_authority;
use ferromesh_route::{MirrorCluster, MirrorPolicy};

use super::attempt::Failure;
use super::exchange::Exchange;
use super::start;
use super::upload::RequestBody;
use super::upstream::Upstream;
use crate::cluster::{Endpoint, Finding, PickContext, Thresholds};
use crate::compiled::{ClientChoice, Cluster};
use crate::upstream::{ConnectOptions, Speak, Wanted, acquire};
use crate::worker::Worker;

/// Copies that are sent when the request is whole.
pub(super) struct Mirrors {
    worker: Rc<Worker>,
    copies: Vec<Copy>,
    timeout: Option<Duration>,
    body: Vec<Bytes>,
    room: usize,
}

impl std::fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirrors")
            .field("copies", &self.copies.len())
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// One copy: where it goes, and how.
struct Copy {
    head: RequestHead,
    framing: Framing,
    cluster: Arc<Cluster>,
    endpoint: Arc<Endpoint>,
    limits: Arc<Thresholds>,
    speak: Speak,
    options: ConnectOptions,
    variant: u64,
}

impl Exchange<'_> {
    /// Prepares the copies that the route asks for. A request without body is copied at once.
    pub(super) fn mirror(&mut self, forward: &Forward, body: &mut RequestBody) {
        let host = self.virtual_host.clone();
        let policies = match (&forward.mirrors, &host) {
            (own, _) if !own.is_empty() => own,
            (_, Some(host)) if !host.mirrors.is_empty() => &host.mirrors,
            _ => return,
        };
        if self.head.protocol().is_some() || self.head.method == ferromesh_http::Method::CONNECT {
            return;
        }
        let copies: Vec<Copy> = policies
            .iter()
            .filter(|policy| policy.share.holds(self.worker.random()))
            .filter_map(|policy| self.copy(policy, forward, body.framing))
            .collect();
        if copies.is_empty() {
            return;
        }
        let mirrors = Mirrors {
            worker: Rc::clone(self.worker),
            copies,
            timeout: forward.timeouts.request,
            body: Vec::new(),
            room: self.connection.listener.buffer_limit as usize,
        };
        if body.is_complete() {
            mirrors.send(None);
        } else {
            body.mirrors = Some(Box::new(mirrors));
        }
    }

    fn copy(&self, policy: &MirrorPolicy, forward: &Forward, framing: Framing) -> Option<Copy> {
        let name = match &policy.cluster {
            MirrorCluster::Named(name) => name.as_str(),
            MirrorCluster::FromHeader(header) => self.head.headers.text(header)?,
        };
        let cluster = Arc::clone(self.config.cluster(name)?);
        let endpoint = self.mirror_endpoint(&cluster)?;
        let limits = if forward.high_priority {
            &cluster.circuit_breakers.high
        } else {
            &cluster.circuit_breakers.default
        };
        let mut head = self.head.clone();
        head.headers.set("x-envoy-internal", "true");
        if policy.shadow_suffix {
            head.set_authority(&shadow_authority(self.head.authority()));
        }
        let limits = Arc::clone(limits);
        let filters = &self.manager.filters;
        let Wanted {
            speak,
            options,
            variant,
            ..
        } = start::wanted(
            self.connection,
            filters,
            &head,
            &cluster,
            &endpoint,
            &limits,
        );
        Some(Copy {
            head,
            framing,
            cluster,
            endpoint,
            limits,
            speak,
            options,
            variant,
        })
    }

    fn mirror_endpoint(&self, cluster: &Arc<Cluster>) -> Option<Arc<Endpoint>> {
        let asked = || self.connection.asks_for(self.head.authority());
        if let ClientChoice::Endpoint(endpoint) = cluster.choice_of_client(asked) {
            return Some(endpoint);
        }
        let picked = self
            .worker
            .with_random(|random| cluster.pick(&mut PickContext::new(random)));
        if picked.is_none() {
            cluster.stats.upstream_cx_none_healthy().inc();
        }
        picked
    }
}

impl Mirrors {
    /// Copies a part of the body; false when the copies have grown too large.
    pub(super) fn keep(&mut self, data: &Bytes) -> bool {
        let Some(room) = self.room.checked_sub(data.len()) else {
            return false;
        };
        self.room = room;
        self.body.push(data.clone());
        true
    }

    /// Sends the copies, each as a task of its own.
    pub(super) fn send(self, trailers: Option<&Headers>) {
        let body: Rc<[Bytes]> = self.body.into();
        for copy in self.copies {
            let (worker, body) = (Rc::clone(&self.worker), Rc::clone(&body));
            let (trailers, timeout) = (trailers.cloned(), self.timeout);
            self.worker.spawn(async move {
                copy.run(&worker, &body, trailers.as_ref(), timeout).await;
            });
        }
    }
}

impl Copy {
    async fn run(
        self,
        worker: &Rc<Worker>,
        body: &[Bytes],
        trailers: Option<&Headers>,
        timeout: Option<Duration>,
    ) {
        let stats = &self.cluster.stats;
        stats.upstream_rq_total().inc();
        stats.upstream_rq_active().inc();
        let active = self.endpoint.counters.request_started();
        let begun = Instant::now();
        let exchange = Box::pin(self.exchange(worker, body, trailers));
        let result = match timeout {
            Some(limit) => tokio::time::timeout(limit, exchange).await.ok(),
            None => Some(exchange.await),
        };
        drop(active);
        stats.upstream_rq_active().dec();
        let status = match &result {
            Some(Ok(status)) => {
                stats.upstream_rq_time().record_duration(begun.elapsed());
                stats.completed(*status);
                Some(*status)
            }
            Some(Err(_)) => None,
            None => {
                stats.upstream_rq_timeout().inc();
                None
            }
        };
        self.endpoint.counters.request_ended(status);
        let finding = match &result {
            Some(Ok(status)) => Some(Finding::Answer(*status)),
            Some(Err(failure)) => failure.finding(),
            None => Some(Finding::TimedOut),
        };
        if let Some(finding) = finding {
            self.cluster.note(&self.endpoint, finding);
        }
    }

    /// Sends the copy and reads the answer to its end; gives the status.
    async fn exchange(
        &self,
        worker: &Rc<Worker>,
        body: &[Bytes],
        trailers: Option<&Headers>,
    ) -> Result<u16, Failure> {
        let wanted = Wanted {
            speak: self.speak,
            options: self.options.clone(),
            variant: self.variant,
            doubts: false,
            limits: &self.limits,
        };
        let acquired = acquire(worker, &self.cluster, &self.endpoint, &wanted).await;
        let (acquired, _slot) = start::admit(acquired, &self.cluster, &self.limits)?;
        let mut head = self.head.clone();
        if let Some(local) = acquired.local().address {
            // A copy comes from us, not from the client.
            let own = local.ip().to_string();
            let value = match head.headers.joined("x-forwarded-for") {
                Some(present) if !present.is_empty() => format!("{present},{own}"),
                _ => own,
            };
            head.headers.set("x-forwarded-for", value);
        }
        let mut upstream = start::send_head(&head, self.framing, &self.cluster, acquired)?;
        let mut sending = Sending {
            left: body,
            trailers,
            done: false,
        };
        let method = self.head.method.clone();
        let status = poll_fn(|cx| {
            sending.poll(cx, &mut upstream);
            loop {
                match upstream.poll_head(cx, &method) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(reason)) => {
                        return Poll::Ready(Err(Failure::reset(reason, true)));
                    }
                    Poll::Ready(Ok((head, _))) if head.is_informational() => {}
                    Poll::Ready(Ok((head, _))) => return Poll::Ready(Ok(head.status)),
                }
            }
        })
        .await?;
        let ended = poll_fn(|cx| {
            sending.poll(cx, &mut upstream);
            loop {
                match upstream.poll_frame(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(Frame::Data(_))) => {}
                    Poll::Ready(Ok(Frame::Trailers(_) | Frame::End)) => return Poll::Ready(true),
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                }
            }
        })
        .await;
        if ended && sending.done {
            upstream.finish(Instant::now());
        } else {
            upstream.give_up();
        }
        Ok(status)
    }
}

/// How far the copy's body has been sent.
struct Sending<'a> {
    left: &'a [Bytes],
    trailers: Option<&'a Headers>,
    done: bool,
}

impl Sending<'_> {
    /// Sends what can be taken. An endpoint that takes no more shows in its answer.
    fn poll(&mut self, cx: &mut Context<'_>, upstream: &mut Upstream) {
        while !self.done && matches!(upstream.poll_room(cx), Poll::Ready(Ok(()))) {
            let sent = match self.left.split_first() {
                Some((data, rest)) => {
                    self.left = rest;
                    upstream.send_data(data.clone(), false)
                }
                None => {
                    self.done = true;
                    upstream.send_end(self.trailers)
                }
            };
            if sent.is_err() {
                break;
            }
        }
        let _ = upstream.poll_flush(cx);
    }
}
