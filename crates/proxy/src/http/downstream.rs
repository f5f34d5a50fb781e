//! The client's end of an exchange.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ferromesh_http::http1::{BodyError, Connection, ConnectionError};
use ferromesh_http::http2::ServerStream;
use ferromesh_http::{Frame, Framing, Headers, ResponseHead, Version, WireBytes};

use super::grpc_web::{GrpcWeb, Malformed};
use super::local_reply::{LocalReply, refuse_body};
use crate::worker::{Timer, Transport};

/// Answer bytes that wait for a slow client before the endpoint is held back: enough to fill the
/// socket's own buffer again after a wake, little enough to hold for every connection.
const MOST_UNSENT: usize = 64 * 1024;

/// The client is gone, or broke the protocol in a way that ends the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Where the request came from and the answer goes.
pub(crate) struct Downstream<'a> {
    wire: Wire<'a>,
    grpc_web: Option<Box<GrpcWeb>>,
}

enum Wire<'a> {
    /// The only exchange on an HTTP/1.1 connection for now.
    Http1(&'a mut Http1Side),
    /// A stream of an HTTP/2 connection.
    Http2(Box<ServerStream>),
}

/// An HTTP/1.1 connection with what its current exchange says about it.
pub(crate) struct Http1Side {
    /// The codec on its socket.
    pub(crate) connection: Connection<Transport>,
    /// Whether the connection ends with this exchange.
    pub(crate) close: bool,
    /// Whether trailers may be sent.
    pub(crate) trailers: bool,
    /// The version of the request.
    pub(crate) version: Version,
    /// For the deadlines of one exchange after the other, and for the waits between them.
    pub(crate) timer: Timer,
    /// What is wrong with the body of the request.
    pub(crate) malformed: Option<BodyError>,
}

impl<'a> Downstream<'a> {
    /// The client of the current exchange on an HTTP/1.1 connection.
    pub(crate) fn http1(side: &'a mut Http1Side) -> Self {
        Self {
            wire: Wire::Http1(side),
            grpc_web: None,
        }
    }

    /// The client of a stream.
    pub(crate) fn http2(stream: Box<ServerStream>) -> Self {
        Self {
            wire: Wire::Http2(stream),
            grpc_web: None,
        }
    }
}

impl Downstream<'_> {
    /// The connection's timer, where it has one.
    pub(super) fn take_timer(&mut self) -> Timer {
        match self.http1_side() {
            Some(side) => std::mem::take(&mut side.timer),
            None => Timer::default(),
        }
    }

    /// Keeps the timer for the next exchange on the connection.
    pub(super) fn keep_timer(&mut self, timer: Timer) {
        if let Some(side) = self.http1_side() {
            side.timer = timer;
        }
    }

    /// The connection, when it is one of HTTP/1.1.
    pub(super) fn http1_side(&mut self) -> Option<&mut Http1Side> {
        match &mut self.wire {
            Wire::Http1(side) => Some(side),
            Wire::Http2(_) => None,
        }
    }

    /// Translates bodies and trailers from now on.
    pub(super) fn translate(&mut self, grpc_web: GrpcWeb) {
        self.grpc_web = Some(Box::new(grpc_web));
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.wire, Wire::Http2(_))
    }

    /// Bytes of the exchange so far.
    pub(super) fn wire(&self) -> WireBytes {
        match &self.wire {
            Wire::Http1(side) => side.connection.wire(),
            Wire::Http2(stream) => stream.wire(),
        }
    }

    /// The next part of the request's body.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Gone>> {
        loop {
            let frame = ready!(self.poll_wire(cx))?;
            let Some(web) = &mut self.grpc_web else {
                return Poll::Ready(Ok(frame));
            };
            match frame {
                Frame::Data(data) => {
                    let data = match web.decode(data) {
                        Ok(data) => data,
                        Err(malformed) => {
                            web.refuse(malformed);
                            return Poll::Ready(Err(Gone));
                        }
                    };
                    if !data.is_empty() {
                        return Poll::Ready(Ok(Frame::Data(data)));
                    }
                }
                frame if web.is_whole() => return Poll::Ready(Ok(frame)),
                _ => {
                    web.refuse(Malformed::Length);
                    return Poll::Ready(Err(Gone));
                }
            }
        }
    }

    /// Whether the whole body of the request was taken, and is all right.
    pub(crate) fn is_body_done(&self) -> bool {
        let done = match &self.wire {
            Wire::Http1(side) => side.connection.is_body_done(),
            Wire::Http2(stream) => stream.receiving.is_done(),
        };
        done && self.grpc_web.as_ref().is_none_or(|web| web.is_whole())
    }

    fn poll_wire(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Gone>> {
        match &mut self.wire {
            Wire::Http1(side) => side.connection.poll_frame(cx).map_err(|error| {
                side.malformed = match error {
                    ConnectionError::Body(BodyError::Truncated) => None,
                    ConnectionError::Body(error) => Some(error),
                    _ => None,
                };
                Gone
            }),
            Wire::Http2(stream) => stream.receiving.poll_frame(cx).map_err(|_| Gone),
        }
    }

    /// The answer to a body of which nothing more can be read, because something is wrong with it.
    pub(super) fn refusal(&self) -> Option<LocalReply> {
        if let Some(reply) = self.grpc_web.as_ref().and_then(|web| web.refusal()) {
            return Some(reply);
        }
        match &self.wire {
            Wire::Http1(side) => side.malformed.map(refuse_body),
            Wire::Http2(_) => None,
        }
    }

    /// Resolves when the client gives up. Only after the request's body was read.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.wire {
            Wire::Http1(side) => {
                // A pipelined request is there: the client waits for its answers.
                if side.connection.has_unread() {
                    return Poll::Pending;
                }
                match ready!(side.connection.poll_fill(cx)) {
                    Ok(count) if count > 0 => Poll::Pending,
                    _ => Poll::Ready(()),
                }
            }
            Wire::Http2(stream) => stream.poll_reset(cx),
        }
    }

    /// Queues an interim answer; HTTP/1.0 clients know none.
    pub(crate) fn send_interim(&mut self, head: &ResponseHead) -> Result<(), Gone> {
        match &mut self.wire {
            Wire::Http1(side) => {
                if side.version == Version::Http11 {
                    side.connection.send_response(head, Framing::None, false);
                }
                Ok(())
            }
            Wire::Http2(stream) => stream.send_interim(head).map_err(|_| Gone),
        }
    }

    /// Queues the head of the answer.
    pub(crate) fn send_head(&mut self, head: &ResponseHead, framing: Framing) -> Result<(), Gone> {
        let framing = match (&mut self.grpc_web, framing) {
            (Some(web), framing) => web.begin_answer(head, framing),
            (None, framing) => framing,
        };
        match &mut self.wire {
            Wire::Http1(side) => {
                let framing = match framing {
                    // An HTTP/1.0 client knows no chunks, only the end of the connection.
                    Framing::Chunked | Framing::UntilClose if side.version == Version::Http10 => {
                        side.close = true;
                        Framing::UntilClose
                    }
                    // A tunnel after 101 or CONNECT has no framing; other bodies get chunks.
                    Framing::UntilClose if head.status != 101 && head.status / 100 != 1 => {
                        Framing::Chunked
                    }
                    framing => framing,
                };
                let close = side.close && head.status != 101;
                side.connection.send_response(head, framing, close);
                Ok(())
            }
            Wire::Http2(stream) => stream
                .send_response(head, framing.is_empty())
                .map_err(|_| Gone),
        }
    }

    /// Queues the head that turns an HTTP/1.1 connection into a tunnel, or opens one on a stream.
    pub(crate) fn send_tunnel_head(&mut self, head: &ResponseHead) -> Result<(), Gone> {
        match &mut self.wire {
            Wire::Http1(side) => {
                side.close = true;
                side.connection
                    .send_response(head, Framing::UntilClose, false);
                side.connection.become_tunnel();
                Ok(())
            }
            Wire::Http2(stream) => stream.send_response(head, false).map_err(|_| Gone),
        }
    }

    /// Queues bytes of the answer's body.
    pub(crate) fn send_data(&mut self, data: Bytes, last: bool) -> Result<(), Gone> {
        let data = match &self.grpc_web {
            Some(web) => web.encode(data),
            None => data,
        };
        self.send_as_it_is(data, last)
    }

    fn send_as_it_is(&mut self, data: Bytes, last: bool) -> Result<(), Gone> {
        match &mut self.wire {
            Wire::Http1(side) => {
                side.connection.send_data(data);
                if last {
                    side.connection.send_end(None);
                }
            }
            Wire::Http2(stream) => {
                let sending = stream.sending().ok_or(Gone)?;
                sending.send_data(data, last).map_err(|_| Gone)?;
            }
        }
        Ok(())
    }

    /// Queues the end of the answer.
    pub(crate) fn send_end(&mut self, trailers: Option<&Headers>) -> Result<(), Gone> {
        let mut trailers = trailers;
        if let Some(web) = &self.grpc_web
            && web.translates_answer()
            && let Some(trailers) = trailers.take()
        {
            let message = web.trailers(trailers);
            self.send_as_it_is(message, false)?;
        }
        match &mut self.wire {
            Wire::Http1(side) => {
                let trailers = trailers.filter(|_| side.trailers);
                side.connection.send_end(trailers);
            }
            Wire::Http2(stream) => {
                if let Some(sending) = stream.sending() {
                    sending.send_end(trailers).map_err(|_| Gone)?;
                }
            }
        }
        Ok(())
    }

    /// Resolves when more of the answer may be queued.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match &mut self.wire {
            Wire::Http1(side) => {
                if side.connection.unsent() < MOST_UNSENT {
                    return Poll::Ready(Ok(()));
                }
                side.connection.poll_flush(cx).map_err(|_| Gone)
            }
            Wire::Http2(stream) => match stream.sending() {
                Some(sending) => sending.poll_ready(cx).map_err(|_| Gone),
                None => Poll::Ready(Ok(())),
            },
        }
    }

    /// Sends what is queued. HTTP/2 frames are sent by their connection.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match &mut self.wire {
            Wire::Http1(side) => side.connection.poll_flush(cx).map_err(|_| Gone),
            Wire::Http2(_) => Poll::Ready(Ok(())),
        }
    }

    /// Ends the sending half of a tunnel.
    pub(crate) fn poll_end_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match &mut self.wire {
            Wire::Http1(side) => side.connection.poll_shutdown(cx).map_err(|_| Gone),
            Wire::Http2(_) => Poll::Ready(Ok(())),
        }
    }

    /// Gives the exchange up in a way that the client notices.
    pub(crate) fn abort(&mut self) {
        match &mut self.wire {
            Wire::Http1(side) => side.close = true,
            Wire::Http2(stream) => stream.fail(),
        }
    }
}
