//! The server's end of a connection.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use tokio::io::{AsyncRead, AsyncWrite};

use super::flood::{Alarm, Watched};
use super::stream::{Http2Error, Receiving, Sending};
use super::{MOST_UNSENT, Pinger, Settings, convert};
use crate::message::{RequestHead, ResponseHead};
use crate::wire::{WireBytes, WireCount};

/// A connection that clients open streams on. It must be polled for any of its streams to move.
#[derive(Debug)]
pub struct ServerConnection<IO> {
    connection: Connection<Watched<IO>, Bytes>,
    alarm: Alarm,
    calmed: bool,
}

/// Reads the preface and exchanges settings.
pub async fn accept<IO>(io: IO, settings: &Settings) -> Result<ServerConnection<IO>, Http2Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = Builder::new();
    builder
        .initial_window_size(settings.stream_window)
        .initial_connection_window_size(settings.connection_window)
        .max_concurrent_streams(settings.max_concurrent_streams)
        .header_table_size(settings.header_table)
        .max_header_list_size(settings.max_head_bytes)
        .max_send_buffer_size(MOST_UNSENT);
    if settings.extended_connect {
        builder.enable_connect_protocol();
    }
    let (io, alarm) = Watched::new(io, settings.floods);
    let connection = builder.handshake(io).await?;
    Ok(ServerConnection {
        connection,
        alarm,
        calmed: false,
    })
}

impl<IO: AsyncRead + AsyncWrite + Unpin> ServerConnection<IO> {
    /// The next stream; `None` when the connection has ended in order. Also moves all other streams.
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(RequestHead, ServerStream), Http2Error>>> {
        let mut accepted = self.connection.poll_accept(cx);
        if accepted.is_pending() && self.alarm.is_raised() {
            self.calm();
            accepted = self.connection.poll_accept(cx);
        }
        let Some(accepted) = ready!(accepted) else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(accepted.map_err(Http2Error::from).map(
            |(request, respond)| {
                let (parts, body) = request.into_parts();
                let head = convert::request_in(parts);
                let stream = ServerStream {
                    receiving: Receiving::new(body, WireCount::of_request(&head)),
                    respond,
                    sending: None,
                    interim: WireCount::default(),
                };
                (head, stream)
            },
        )))
    }

    /// Tells the client to open no more streams (GOAWAY); those that are open end by themselves.
    pub fn drain(&mut self) {
        self.connection.graceful_shutdown();
    }

    /// Ends the connection and tells the client that it asked for too much (RFC 9113 section 7).
    pub fn calm(&mut self) {
        if !self.calmed {
            self.calmed = true;
            self.connection
                .abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
        }
    }

    /// Whether the connection ends because the client asked for too much.
    pub fn is_calmed(&self) -> bool {
        self.calmed
    }

    /// Pings of this connection; `None` when they were taken before.
    pub fn pinger(&mut self) -> Option<Pinger> {
        self.connection.ping_pong().map(Pinger::new)
    }

    /// Whether streams are open.
    pub fn has_streams(&self) -> bool {
        self.connection.has_streams()
    }
}

/// One exchange.
#[derive(Debug)]
pub struct ServerStream {
    /// The request's body.
    pub receiving: Receiving,
    respond: SendResponse<Bytes>,
    sending: Option<Sending>,
    /// Bytes of interim answers.
    interim: WireCount,
}

impl ServerStream {
    /// Bytes so far.
    pub fn wire(&self) -> WireBytes {
        let sent = self.sending.as_ref().map(|sending| sending.count);
        WireBytes {
            received: self.receiving.count,
            sent: sent.unwrap_or(self.interim),
        }
    }

    /// Sends an interim response.
    pub fn send_interim(&mut self, head: &ResponseHead) -> Result<(), Http2Error> {
        self.interim += WireCount::of_response(head);
        Ok(self
            .respond
            .send_informational(convert::response_out(head))?)
    }

    /// Sends the response head; `end` when no body follows.
    pub fn send_response(&mut self, head: &ResponseHead, end: bool) -> Result<(), Http2Error> {
        let stream = self
            .respond
            .send_response(convert::response_out(head), end)?;
        let mut count = self.interim;
        count += WireCount::of_response(head);
        self.sending = Some(Sending::new(stream, end, count));
        Ok(())
    }

    /// The response's body, once its head was sent.
    pub fn sending(&mut self) -> Option<&mut Sending> {
        self.sending.as_mut()
    }

    /// Resolves when the client gives the exchange up.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sending {
            Some(sending) => sending.poll_reset(cx),
            None => self.respond.poll_reset(cx).map(drop),
        }
    }

    /// Gives the exchange up.
    pub fn fail(&mut self) {
        match &mut self.sending {
            Some(sending) => sending.fail(),
            None => self.respond.send_reset(h2::Reason::INTERNAL_ERROR),
        }
    }
}
