//! The two halves of a stream.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use thiserror::Error;

use super::convert;
use crate::body::Frame;
use crate::headers::Headers;
use crate::wire::WireCount;

/// How much capacity is asked for at a time.
const CAPACITY_STEP: usize = 16 * 1024;

/// A stream or connection that failed.
#[derive(Debug, Error)]
#[error("HTTP/2: {source}")]
pub struct Http2Error {
    #[from]
    source: h2::Error,
}

impl Http2Error {
    /// Whether the peer did not process the stream at all, so that it may be sent again
    /// (REFUSED_STREAM, or a GOAWAY that does not cover it; RFC 9113 section 8.7).
    pub fn is_refused(&self) -> bool {
        self.source.reason() == Some(Reason::REFUSED_STREAM)
            || (self.source.is_go_away() && self.source.reason() == Some(Reason::NO_ERROR))
    }

    /// Whether the peer reset this stream.
    pub fn is_reset(&self) -> bool {
        self.source.is_reset()
    }

    /// Whether the connection failed below HTTP/2.
    pub fn is_io(&self) -> bool {
        self.source.is_io()
    }

    /// Whether the peer broke the protocol's rules.
    pub fn is_protocol(&self) -> bool {
        self.source.is_library()
    }
}

/// What comes in.
#[derive(Debug)]
pub struct Receiving {
    stream: RecvStream,
    state: State,
    /// What came, the head included.
    pub(super) count: WireCount,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Done,
}

impl Receiving {
    pub(super) fn new(stream: RecvStream, count: WireCount) -> Self {
        let state = if stream.is_end_stream() {
            State::Done
        } else {
            State::Data
        };
        Self {
            stream,
            state,
            count,
        }
    }

    /// Whether everything was taken.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next part of the body.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Http2Error>> {
        loop {
            match self.state {
                State::Done => return Poll::Ready(Ok(Frame::End)),
                State::Data => match ready!(self.stream.poll_data(cx)) {
                    Some(data) => {
                        let data = data?;
                        self.count.add_body(data.len());
                        self.stream.flow_control().release_capacity(data.len())?;
                        if self.stream.is_end_stream() {
                            self.state = State::Done;
                        }
                        if !data.is_empty() {
                            return Poll::Ready(Ok(Frame::Data(data)));
                        }
                    }
                    None => self.state = State::Trailers,
                },
                State::Trailers => {
                    let trailers = ready!(self.stream.poll_trailers(cx))?;
                    self.state = State::Done;
                    if let Some(trailers) = trailers {
                        let trailers = convert::headers_in(&trailers);
                        self.count.add_block(&[], &trailers);
                        return Poll::Ready(Ok(Frame::Trailers(trailers)));
                    }
                }
            }
        }
    }
}

/// What goes out.
#[derive(Debug)]
pub struct Sending {
    stream: SendStream<Bytes>,
    ended: bool,
    /// What went, the head included.
    pub(super) count: WireCount,
}

impl Sending {
    pub(super) fn new(stream: SendStream<Bytes>, ended: bool, count: WireCount) -> Self {
        Self {
            stream,
            ended,
            count,
        }
    }

    /// Whether the end was sent.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Resolves when the peer's window has room for some data.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Http2Error>> {
        if self.ended || self.stream.capacity() > 0 {
            return Poll::Ready(Ok(()));
        }
        self.stream.reserve_capacity(CAPACITY_STEP);
        match ready!(self.stream.poll_capacity(cx)) {
            Some(capacity) => Poll::Ready(capacity.map(drop).map_err(Http2Error::from)),
            // The stream is closed; sending on it will say how.
            None => Poll::Ready(Ok(())),
        }
    }

    /// Sends data; what exceeds the window is held by h2, so call `poll_ready` before.
    pub fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), Http2Error> {
        self.ended |= end;
        self.count.add_body(data.len());
        Ok(self.stream.send_data(data, end)?)
    }

    /// Ends the stream.
    pub fn send_end(&mut self, trailers: Option<&Headers>) -> Result<(), Http2Error> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        match trailers {
            Some(trailers) => {
                self.count.add_block(&[], trailers);
                self.stream.send_trailers(convert::headers_out(trailers))?;
            }
            None => {
                self.count.add_body(0);
                self.stream.send_data(Bytes::new(), true)?;
            }
        }
        Ok(())
    }

    /// Resolves when the peer resets the stream.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(drop)
    }

    /// Resets the stream: the exchange is given up.
    pub fn cancel(&mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }

    /// Resets the stream: this side failed.
    pub fn fail(&mut self) {
        self.stream.send_reset(Reason::INTERNAL_ERROR);
    }
}
