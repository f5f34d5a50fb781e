//! The request's body on its way upstream, and what is kept of it for another try.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use ferromesh_http::{Frame, Framing, Headers};

use super::downstream::{Downstream, Gone};
use super::grpc_messages::Messages;
use super::mirror::Mirrors;
use super::upstream::Upstream;
use crate::upstream::ResetReason;

/// The body, over all tries.
#[derive(Debug)]
pub(super) struct RequestBody {
    /// How the client frames it.
    pub(super) framing: Framing,
    /// Bytes that came so far.
    pub(super) received: u64,
    /// When it was complete.
    pub(super) completed: Option<Instant>,
    trailers: Option<Headers>,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    /// Whether everything that came is kept.
    whole: bool,
    limit: usize,
    /// Copies that wait for the rest of the body.
    pub(super) mirrors: Option<Box<Mirrors>>,
    /// gRPC messages of request and answer, where a filter counts them.
    pub(super) messages: Option<Box<Messages>>,
}

impl RequestBody {
    /// A body of which at most `limit` bytes are kept; its head came `now`.
    pub(super) fn new(framing: Framing, limit: usize, now: Instant) -> Self {
        Self {
            framing,
            received: 0,
            completed: framing.is_empty().then_some(now),
            trailers: None,
            kept: Vec::new(),
            kept_bytes: 0,
            whole: true,
            limit,
            mirrors: None,
            messages: None,
        }
    }

    /// Whether all of it came.
    pub(super) fn is_complete(&self) -> bool {
        self.completed.is_some()
    }

    /// A filter kept the request until `now`. What was complete before counts as complete since:
    /// the time for the answer does not run while a filter waits.
    pub(super) fn reached_router(&mut self, now: Instant) {
        self.completed = self.completed.map(|_| now);
    }

    /// Whether another try can send it from the beginning.
    pub(super) fn can_replay(&self) -> bool {
        self.whole
    }

    /// Keeps no body that is longer.
    pub(super) fn keep_at_most(&mut self, limit: usize) {
        self.limit = self.limit.min(limit);
    }

    /// Keeps nothing more: there will be no other try.
    pub(super) fn forget(&mut self) {
        self.whole = self.received == 0;
        self.kept = Vec::new();
        self.limit = 0;
    }

    /// The bytes of a tunnel follow.
    pub(super) fn become_tunnel(&mut self) {
        self.forget();
        self.completed = None;
        self.framing = Framing::UntilClose;
    }

    /// Whether it is the way up of a tunnel.
    pub(super) fn is_tunnel(&self) -> bool {
        self.framing == Framing::UntilClose
    }

    fn complete(&mut self) {
        self.completed = Some(Instant::now());
        if let Some(mirrors) = self.mirrors.take() {
            mirrors.send(self.trailers.as_ref());
        }
    }

    fn keep(&mut self, data: &Bytes) {
        self.received += data.len() as u64;
        if let Some(messages) = &mut self.messages {
            messages.request.feed(data);
        }
        if let Some(mirrors) = &mut self.mirrors
            && !mirrors.keep(data)
        {
            self.mirrors = None;
        }
        if !self.whole {
            return;
        }
        if self.kept_bytes + data.len() > self.limit {
            self.whole = false;
            self.kept = Vec::new();
            return;
        }
        self.kept_bytes += data.len();
        self.kept.push(data.clone());
    }
}

/// How far one try has sent the body.
#[derive(Debug, Default)]
pub(super) struct Upload {
    next: usize,
    /// Whether the end was sent, too.
    pub(super) done: bool,
    /// The endpoint takes no more; its answer may say why.
    pub(super) broken: bool,
}

impl Upload {
    /// Sends what is there and can be taken. Ready when the end was sent or the endpoint takes no
    /// more.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut RequestBody,
        downstream: &mut Downstream<'_>,
        upstream: &mut Upstream,
    ) -> Poll<Result<(), Gone>> {
        while !self.done && !self.broken {
            if ready!(upstream.poll_room(cx)).is_err() {
                self.broken = true;
                break;
            }
            let sent = match body.kept.get(self.next) {
                Some(data) => {
                    self.next += 1;
                    upstream.send_data(data.clone(), false)
                }
                None if body.is_complete() => {
                    self.done = true;
                    upstream.send_end(body.trailers.as_ref())
                }
                None => ready!(self.poll_more(cx, body, downstream, upstream))?,
            };
            self.broken |= sent.is_err();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut RequestBody,
        downstream: &mut Downstream<'_>,
        upstream: &mut Upstream,
    ) -> Poll<Result<Result<(), ResetReason>, Gone>> {
        let frame = match ready!(downstream.poll_frame(cx)) {
            Ok(frame) => frame,
            Err(gone) => return Poll::Ready(Err(gone)),
        };
        let sent = match frame {
            Frame::Data(data) => {
                body.keep(&data);
                self.next = body.kept.len();
                let last = downstream.is_body_done();
                if last {
                    body.complete();
                    self.done = true;
                }
                upstream.send_data(data, last)
            }
            Frame::Trailers(trailers) => {
                body.trailers = Some(trailers);
                body.complete();
                Ok(())
            }
            Frame::End => {
                body.complete();
                Ok(())
            }
        };
        Poll::Ready(Ok(sent))
    }
}
