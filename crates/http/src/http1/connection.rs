//! One HTTP/1.1 connection, either end: a socket, what was read and not yet understood, what was
//! written and not yet sent, and where in the body each direction is.
//!
//! The caller polls; nothing is read unless it is asked for, which is the backpressure. Data handed
//! out are slices of the read buffer.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::buffer::WriteBuffer;
use super::decode::BodyDecoder;
use super::encode::{self, ResponseForm};
use super::error::ConnectionError;
use super::head::{self, IncomingRequest, IncomingResponse, Limits};
use super::names::{self, NameCase};
use super::spare::{self, FIRST_READ};
use crate::body::{Frame, Framing};
use crate::headers::Headers;
use crate::message::{RequestHead, ResponseHead, Version};
use crate::wire::{WireBytes, WireCount};

/// Largest step of one read; grows towards it while reads fill the buffer.
const LARGEST_READ: u32 = 64 * 1024;

/// A connection.
#[derive(Debug)]
pub struct Connection<IO> {
    io: IO,
    read: BytesMut,
    read_step: u32,
    ended: bool,
    decoder: BodyDecoder,
    write: WriteBuffer,
    sending: Framing,
    limits: Limits,
    names: NameCase,
    /// What the answer to the last request depends on.
    form: ResponseForm,
    /// Bytes that were read since the current exchange began, those of what follows included. What
    /// is sent the write buffer counts.
    received: u64,
    fields_received: u32,
    trailers_received: u32,
    fields_sent: u32,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    /// Begins on `io`; `early` was read already.
    pub fn new(io: IO, early: BytesMut, limits: Limits) -> Self {
        Self {
            io,
            read: early,
            read_step: FIRST_READ as u32,
            ended: false,
            decoder: BodyDecoder::new(Framing::None, limits),
            write: WriteBuffer::default(),
            sending: Framing::None,
            limits,
            names: NameCase::Lower,
            form: ResponseForm::default(),
            received: 0,
            fields_received: 0,
            trailers_received: 0,
            fields_sent: 0,
        }
    }

    /// Reads and writes names in this case.
    #[must_use]
    pub fn with_names(mut self, names: NameCase) -> Self {
        self.names = names;
        self
    }

    /// The socket.
    pub fn io(&self) -> &IO {
        &self.io
    }

    /// Takes the connection apart: the socket and what was read and not used.
    pub fn into_parts(self) -> (IO, Bytes) {
        (self.io, self.read.freeze())
    }

    /// Whether the peer has ended its sending.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether bytes were read that nobody asked for yet.
    pub fn has_unread(&self) -> bool {
        !self.read.is_empty()
    }

    /// Whether the body that is being read was read to its end.
    pub fn is_body_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Bytes of the current exchange so far, or of the last one. Envoy does not count trailers that
    /// come among fields without compression, which HTTP/1.1 does not have.
    pub fn wire(&self) -> WireBytes {
        let next = if self.is_body_done() {
            self.read.len()
        } else {
            0
        };
        WireBytes {
            received: WireCount {
                all: self.received.saturating_sub(next as u64),
                fields: self.fields_received.saturating_add(self.trailers_received),
                plain_fields: self.fields_received,
            },
            sent: WireCount {
                all: self.write.count(),
                fields: self.fields_sent,
                plain_fields: self.fields_sent,
            },
        }
    }

    /// Another exchange begins with what was read and not used. All that comes belongs to it until it
    /// is known where it ends.
    fn begin_exchange(&mut self) {
        self.decoder = BodyDecoder::new(Framing::UntilClose, self.limits);
        self.write.begin_count();
        self.received = self.read.len() as u64;
        self.fields_received = 0;
        self.trailers_received = 0;
        self.fields_sent = 0;
    }

    /// Bytes that wait to be written.
    pub fn unsent(&self) -> usize {
        self.write.len()
    }

    /// Gives the buffers of an idle connection back.
    pub fn release_buffers(&mut self) {
        self.release_read_buffer();
        self.write.release();
    }

    fn release_read_buffer(&mut self) {
        if !self.read.is_empty() {
            return;
        }
        let buffer = std::mem::take(&mut self.read);
        if self.read_step == FIRST_READ as u32 {
            spare::give(buffer);
        } else {
            self.read_step = FIRST_READ as u32;
        }
    }

    /// Reads once. Zero is the end of the peer's sending.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        if self.read.capacity() == 0 {
            self.read = spare::take();
        }
        self.read.reserve(self.read_step as usize);
        let room = self.read.capacity() - self.read.len();
        let Poll::Ready(result) = pin!(self.io.read_buf(&mut self.read)).poll(cx) else {
            // Who waits for the first byte of something holds no memory.
            self.release_read_buffer();
            return Poll::Pending;
        };
        let count = result?;
        if count == room {
            self.read_step = (self.read_step * 2).min(LARGEST_READ);
        }
        self.ended = count == 0;
        self.received += count as u64;
        Poll::Ready(Ok(count))
    }

    /// The next request; `None` when the client closed between requests.
    pub fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<IncomingRequest>, ConnectionError>> {
        loop {
            if !self.read.is_empty() {
                // Before it is known whether there is a request: what is refused counts as well.
                self.begin_exchange();
            }
            if !self.read.is_empty()
                && let Some(request) =
                    head::parse_request_as(&mut self.read, &self.limits, self.names)?
            {
                self.fields_received = request.field_bytes;
                self.form = ResponseForm {
                    close: false,
                    http10: request.head.version == Version::Http10,
                    to_head: request.head.method == Method::HEAD,
                };
                self.decoder = BodyDecoder::new(request.framing, self.limits);
                return Poll::Ready(Ok(Some(request)));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                if self.read.is_empty() {
                    return Poll::Ready(Ok(None));
                }
                return Poll::Ready(Err(ConnectionError::Closed));
            }
        }
    }

    /// The next response head, an interim one perhaps; `request` is the method it answers.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        request: &Method,
    ) -> Poll<Result<IncomingResponse, ConnectionError>> {
        loop {
            if !self.read.is_empty()
                && let Some(response) =
                    head::parse_response_as(&mut self.read, request, &self.limits, self.names)?
            {
                self.fields_received += response.field_bytes;
                self.decoder = BodyDecoder::new(response.framing, self.limits);
                return Poll::Ready(Ok(response));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Err(ConnectionError::Closed));
            }
        }
    }

    /// The next part of the body that is being read.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, ConnectionError>> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.read)? {
                if let Frame::Trailers(trailers) = &frame {
                    self.trailers_received = trailers.line_lengths();
                }
                return Poll::Ready(Ok(frame));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                self.decoder.closed()?;
            }
        }
    }

    /// Goes over to bytes without messages (after an upgrade or CONNECT).
    pub fn become_tunnel(&mut self) {
        self.decoder = BodyDecoder::new(Framing::UntilClose, self.limits);
        self.sending = Framing::UntilClose;
    }

    /// Queues a request head.
    pub fn send_request(&mut self, head: &RequestHead, framing: Framing) {
        self.begin_exchange();
        let tail = self.write.tail();
        let start = tail.len();
        let fields = encode::encode_request(head, framing, tail);
        names::rewrite(
            &mut tail[start..],
            self.names,
            head.headers.written.as_deref(),
        );
        self.fields_sent += fields as u32;
        self.sending = framing;
    }

    /// Queues a response head; interim responses have no body.
    pub fn send_response(&mut self, head: &ResponseHead, framing: Framing, close: bool) {
        let tail = self.write.tail();
        let start = tail.len();
        let form = ResponseForm {
            close,
            // Who is told to come back with HTTP/1.1 is told so in it.
            http10: self.form.http10 && head.status != 426,
            ..self.form
        };
        let fields = encode::encode_response_as(head, framing, form, tail);
        names::rewrite(
            &mut tail[start..],
            self.names,
            head.headers.written.as_deref(),
        );
        self.fields_sent += fields as u32;
        self.sending = framing;
    }

    /// Queues bytes of the body.
    pub fn send_data(&mut self, data: Bytes) {
        match self.sending {
            Framing::None => {}
            Framing::Chunked => {
                encode::put_chunk_header(data.len(), self.write.tail());
                self.write.push(data);
                self.write.tail().extend_from_slice(b"\r\n");
            }
            Framing::Length(_) | Framing::UntilClose => self.write.push(data),
        }
    }

    /// Queues the end of the body. Trailers need chunks and are dropped without.
    pub fn send_end(&mut self, trailers: Option<&Headers>) {
        if self.sending == Framing::Chunked {
            let fields = encode::put_last_chunk(trailers, self.write.tail());
            self.fields_sent += fields as u32;
        }
        self.sending = Framing::None;
    }

    /// Queues bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.write.tail().extend_from_slice(bytes);
    }

    /// Sends what is queued.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.write.poll_flush(cx, &mut self.io)
    }

    /// Sends what is queued and ends the sending.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write.poll_flush(cx, &mut self.io))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
