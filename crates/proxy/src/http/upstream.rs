//! The endpoint's end of an exchange.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use ferromesh_http::http1::ConnectionError;
use ferromesh_http::http2::Http2Error;
use ferromesh_http::{Frame, Framing, Headers, Method, ResponseHead, WireBytes};

use crate::upstream::{Http1Upstream, Http2Upstream, ResetReason};

/// Request bytes that wait for a slow endpoint before the client is held back.
const MOST_UNSENT: usize = 64 * 1024;

/// Where the request goes and the answer comes from.
pub(crate) enum Upstream {
    /// Alone on an HTTP/1.1 connection.
    Http1 {
        /// The connection.
        lent: Box<Http1Upstream>,
        /// Whether the endpoint keeps the connection after this answer.
        keep: bool,
        /// Whether trailers may be sent.
        trailers: bool,
        /// Whether a byte of the answer has come.
        answered: bool,
        /// Whether what follows is no HTTP.
        tunnel: bool,
    },
    /// A stream of an HTTP/2 connection.
    Http2(Box<Http2Upstream>),
}

impl Upstream {
    /// On an HTTP/1.1 connection.
    pub(crate) fn http1(lent: Box<Http1Upstream>, trailers: bool) -> Self {
        Self::Http1 {
            lent,
            keep: false,
            trailers,
            answered: false,
            tunnel: false,
        }
    }

    /// Whether the exchange may have failed only because a kept connection had died unnoticed.
    pub(crate) fn may_have_been_dead(&self) -> bool {
        match self {
            Self::Http1 { lent, answered, .. } => {
                lent.reused && !answered && !lent.connection.has_unread()
            }
            Self::Http2(upstream) => upstream.reused && !upstream.answered,
        }
    }

    /// Bytes of the exchange so far.
    pub(crate) fn wire(&self) -> WireBytes {
        match self {
            Self::Http1 { lent, .. } => lent.connection.wire(),
            Self::Http2(upstream) => upstream.stream.wire(),
        }
    }

    /// Resolves when more of the request may be queued.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        match self {
            Self::Http1 { lent, .. } => {
                if lent.connection.unsent() < MOST_UNSENT {
                    return Poll::Ready(Ok(()));
                }
                let flushed = lent.connection.poll_flush(cx);
                flushed.map_err(|_| ResetReason::ConnectionTermination)
            }
            Self::Http2(upstream) => {
                let ready = upstream.stream.sending.poll_ready(cx);
                ready.map_err(|error| http2_reason(&error))
            }
        }
    }

    /// Queues bytes of the request's body; with its `last` ones, its end.
    pub(crate) fn send_data(&mut self, data: Bytes, last: bool) -> Result<(), ResetReason> {
        match self {
            Self::Http1 { lent, .. } => {
                lent.connection.send_data(data);
                if last {
                    lent.connection.send_end(None);
                }
            }
            Self::Http2(upstream) => {
                let sent = upstream.stream.sending.send_data(data, last);
                sent.map_err(|error| http2_reason(&error))?;
            }
        }
        Ok(())
    }

    /// Queues the end of the request.
    pub(crate) fn send_end(&mut self, trailers: Option<&Headers>) -> Result<(), ResetReason> {
        match self {
            Self::Http1 {
                lent,
                trailers: allowed,
                ..
            } => lent.connection.send_end(trailers.filter(|_| *allowed)),
            Self::Http2(upstream) => {
                let sent = upstream.stream.sending.send_end(trailers);
                sent.map_err(|error| http2_reason(&error))?;
            }
        }
        Ok(())
    }

    /// Sends what is queued. HTTP/2 frames are sent by their connection.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        match self {
            Self::Http1 { lent, .. } => {
                let flushed = lent.connection.poll_flush(cx);
                flushed.map_err(|_| ResetReason::ConnectionTermination)
            }
            Self::Http2(_) => Poll::Ready(Ok(())),
        }
    }

    /// Whether [`Self::poll_flush`] sends what is queued itself.
    pub(crate) fn sends_itself(&self) -> bool {
        matches!(self, Self::Http1 { .. })
    }

    /// The next head of the answer, interim ones included, and how its body ends.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
    ) -> Poll<Result<(ResponseHead, Framing), ResetReason>> {
        match self {
            Self::Http1 {
                lent,
                keep,
                answered,
                ..
            } => {
                let read = ready!(lent.connection.poll_response(cx, method));
                let read = read.map_err(|error| match error {
                    // Part of a head came: that is no way to close.
                    ConnectionError::Closed if lent.connection.has_unread() => {
                        ResetReason::ProtocolError
                    }
                    error => http1_reason(&error),
                })?;
                *answered = true;
                *keep = read.keep_alive;
                Poll::Ready(Ok((read.head, read.framing)))
            }
            Self::Http2(upstream) => {
                let head = ready!(upstream.stream.poll_response(cx));
                let head = head.map_err(|error| http2_reason(&error))?;
                upstream.answered = true;
                let ended = upstream
                    .stream
                    .receiving()
                    .is_some_and(|body| body.is_done());
                let framing = http2_framing(&head, method, ended);
                Poll::Ready(Ok((head, framing)))
            }
        }
    }

    /// The next part of the answer's body.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, ResetReason>> {
        match self {
            Self::Http1 { lent, tunnel, .. } => {
                let frame = lent.connection.poll_frame(cx);
                frame.map_err(|error| match error {
                    // So is a body that breaks off, however the connection ends.
                    ConnectionError::Io(_) if !*tunnel => ResetReason::ProtocolError,
                    error => http1_reason(&error),
                })
            }
            Self::Http2(upstream) => match upstream.stream.receiving() {
                Some(body) => body.poll_frame(cx).map_err(|error| http2_reason(&error)),
                None => Poll::Ready(Ok(Frame::End)),
            },
        }
    }

    /// Whether the whole body of the answer was taken.
    pub(crate) fn is_body_done(&mut self) -> bool {
        match self {
            Self::Http1 { lent, .. } => lent.connection.is_body_done(),
            Self::Http2(upstream) => {
                let receiving = upstream.stream.receiving();
                receiving.is_some_and(|body| body.is_done())
            }
        }
    }

    /// Goes over to bytes without messages.
    pub(crate) fn become_tunnel(&mut self) {
        if let Self::Http1 {
            lent, keep, tunnel, ..
        } = self
        {
            *keep = false;
            *tunnel = true;
            lent.connection.become_tunnel();
        }
    }

    /// Ends the sending half of a tunnel.
    pub(crate) fn poll_end_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1 { lent, .. } => lent.connection.poll_shutdown(cx).map(drop),
            Self::Http2(_) => Poll::Ready(()),
        }
    }

    /// Ends an exchange in which request and answer went through to their ends, `now`.
    pub(crate) fn finish(self, now: Instant) {
        if let Self::Http1 { lent, keep, .. } = self
            && keep
            && lent.connection.unsent() == 0
        {
            lent.release(now);
        }
    }

    /// Ends an exchange that did not come to its end.
    pub(crate) fn give_up(self) {
        if let Self::Http2(mut upstream) = self {
            upstream.stream.sending.cancel();
        }
    }
}

fn http1_reason(error: &ConnectionError) -> ResetReason {
    match error {
        ConnectionError::Io(_) | ConnectionError::Closed => ResetReason::ConnectionTermination,
        // A body that breaks off is as wrong as one that is malformed.
        ConnectionError::Head(_) | ConnectionError::Body(_) => ResetReason::ProtocolError,
    }
}

pub(super) fn http2_reason(error: &Http2Error) -> ResetReason {
    if error.is_refused() {
        ResetReason::RemoteRefused
    } else if error.is_reset() {
        ResetReason::RemoteReset
    } else if error.is_protocol() {
        ResetReason::ProtocolError
    } else {
        ResetReason::ConnectionTermination
    }
}

/// What an HTTP/1.1 client is told about the end of a body that came as a stream.
fn http2_framing(head: &ResponseHead, method: &Method, ended: bool) -> Framing {
    if *method == Method::HEAD || matches!(head.status, 100..200 | 204 | 304) {
        return Framing::None;
    }
    if let Some(length) = head.headers.text("content-length")
        && let Ok(length) = length.parse()
    {
        return Framing::Length(length);
    }
    if ended {
        Framing::Length(0)
    } else {
        Framing::Chunked
    }
}
