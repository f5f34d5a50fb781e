//! The client's end of a connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite};

use super::stream::{Http2Error, Receiving, Sending};
use super::{MOST_UNSENT, Pinger, Settings, convert};
use crate::message::{RequestHead, ResponseHead};
use crate::wire::{WireBytes, WireCount};

/// Streams that are opened before the server's settings have come: the least that it should admit
/// (RFC 9113 section 6.5.2).
pub const ASSUMED_STREAMS: usize = 100;

/// Drives the connection: a future that must run for any stream to move. It resolves when the
/// connection has ended.
#[derive(Debug)]
pub struct ClientConnection<IO: AsyncRead + AsyncWrite + Unpin> {
    connection: Connection<IO, Bytes>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Future for ClientConnection<IO> {
    type Output = Result<(), Http2Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.connection)
            .poll(cx)
            .map_err(Http2Error::from)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> ClientConnection<IO> {
    /// Pings of this connection; `None` when they were taken before.
    pub fn pinger(&mut self) -> Option<Pinger> {
        self.connection.ping_pong().map(Pinger::new)
    }
}

/// Opens streams. Clones share the connection.
#[derive(Clone, Debug)]
pub struct ClientSender {
    sender: SendRequest<Bytes>,
}

/// Sends the preface and settings.
pub async fn connect<IO>(
    io: IO,
    settings: &Settings,
) -> Result<(ClientSender, ClientConnection<IO>), Http2Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = Builder::new();
    builder
        .initial_window_size(settings.stream_window)
        .initial_connection_window_size(settings.connection_window)
        .max_concurrent_streams(0)
        .initial_max_send_streams(ASSUMED_STREAMS)
        .enable_push(false)
        .header_table_size(settings.header_table)
        .max_header_list_size(settings.max_head_bytes)
        .max_send_buffer_size(MOST_UNSENT);
    let (sender, connection) = builder.handshake(io).await?;
    Ok((ClientSender { sender }, ClientConnection { connection }))
}

impl ClientSender {
    /// Resolves when another stream may be opened; an error means that the connection takes none
    /// any more (GOAWAY, or it failed).
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Http2Error>> {
        self.sender.poll_ready(cx).map_err(Http2Error::from)
    }

    /// How many streams the server admits at once; `None` while it has not said so, and as long
    /// as that is what everyone assumes.
    pub fn max_streams(&self) -> Option<usize> {
        let most = self.sender.current_max_send_streams();
        (most != ASSUMED_STREAMS).then_some(most)
    }

    /// Opens a stream. `Ok(None)`: the head cannot be expressed in HTTP/2.
    pub fn send_request(
        &mut self,
        head: &RequestHead,
        end: bool,
    ) -> Result<Option<ClientStream>, Http2Error> {
        let Some(request) = convert::request_out(head) else {
            return Ok(None);
        };
        let (response, stream) = self.sender.send_request(request, end)?;
        Ok(Some(ClientStream {
            sending: Sending::new(stream, end, WireCount::of_request(head)),
            response: Some(response),
            receiving: None,
            interim: WireCount::default(),
        }))
    }
}

/// One exchange.
#[derive(Debug)]
pub struct ClientStream {
    /// The request's body.
    pub sending: Sending,
    response: Option<ResponseFuture>,
    receiving: Option<Receiving>,
    /// Bytes of interim answers.
    interim: WireCount,
}

impl ClientStream {
    /// Bytes so far.
    pub fn wire(&self) -> WireBytes {
        let received = self.receiving.as_ref().map(|receiving| receiving.count);
        WireBytes {
            received: received.unwrap_or(self.interim),
            sent: self.sending.count,
        }
    }

    /// The next response head, interim ones included. Call it until a final one came.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, Http2Error>> {
        let Some(future) = &mut self.response else {
            return Poll::Pending;
        };
        if let Poll::Ready(Some(interim)) = future.poll_informational(cx) {
            let interim = interim?;
            let head = convert::response_in(interim.status(), interim.headers());
            self.interim += WireCount::of_response(&head);
            return Poll::Ready(Ok(head));
        }
        let response = ready!(Pin::new(future).poll(cx))?;
        self.response = None;
        let (parts, body) = response.into_parts();
        let head = convert::response_in(parts.status, &parts.headers);
        let mut count = self.interim;
        count += WireCount::of_response(&head);
        self.receiving = Some(Receiving::new(body, count));
        Poll::Ready(Ok(head))
    }

    /// The response's body, once its head came.
    pub fn receiving(&mut self) -> Option<&mut Receiving> {
        self.receiving.as_mut()
    }
}
