//! The bytes of a connection inside of a request: CONNECT or POST to an HTTP proxy
//! (`tunneling_config`).
//!
//! The request is sent at once; the bytes follow when the proxy has agreed. Its answer ends the
//! tunnel's way back, and the end of the client's bytes the request's body.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use ferromesh_http::{Frame, Framing, Method, RequestHead, ResponseHead, WireBytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tcp_proxy::NotJoined;
use crate::access_log::render;
use crate::cluster::{Endpoint, LimitGuard};
use crate::compiled::{Cluster, Tunneling};
use crate::http::{Upstream, mutate, send_head, speak, take_place};
use crate::listener::Connection;
use crate::upstream::{Acquired, ConnectOptions, OurEnd, ResetReason, Wanted, acquire, hash_text};
use crate::worker::Worker;

/// An open tunnel.
pub(super) struct Tunnel {
    /// Our end of the connection that it runs on.
    pub(super) local: OurEnd,
    upstream: Option<Upstream>,
    unread: Bytes,
    /// Whether the end of our bytes was sent.
    ended: bool,
    /// Whether the other side's bytes have come to their end.
    is_over: bool,
    connects: bool,
    _place: LimitGuard,
}

/// Opens a tunnel through `endpoint`.
pub(super) async fn open(
    worker: &Rc<Worker>,
    connection: &Connection,
    settings: &Tunneling,
    cluster: &Arc<Cluster>,
    endpoint: &Arc<Endpoint>,
) -> Result<Tunnel, NotJoined> {
    let head = head(connection, settings);
    let limits = &cluster.circuit_breakers.default;
    let wanted = Wanted {
        speak: speak(cluster, head.version),
        options: ConnectOptions {
            proxied: Some((connection.peer, connection.destination)),
            ..ConnectOptions::default()
        },
        // A connection that carried a tunnel carries nothing else.
        variant: hash_text("the bytes of a connection"),
        doubts: false,
        limits,
    };
    let acquired = acquire(worker, cluster, endpoint, &wanted).await;
    let acquired = acquired.map_err(|error| match error.reason() {
        ResetReason::Overflow => NotJoined::Overflow,
        _ => NotJoined::Failed(error.transport_failure()),
    })?;
    let (acquired, place) = take_place(acquired, cluster, limits).map_err(not_begun)?;
    let local = acquired.local();
    let connects = settings.post.is_none();
    let framing = match &acquired {
        Acquired::Http1(_) if connects => Framing::None,
        _ => Framing::Chunked,
    };
    let mut upstream = send_head(&head, framing, cluster, acquired).map_err(not_begun)?;
    let (answer, framing) = poll_fn(|cx| {
        if let Poll::Ready(Err(reason)) = upstream.poll_flush(cx) {
            return Poll::Ready(Err(reason));
        }
        loop {
            match ready!(upstream.poll_head(cx, &head.method)) {
                Ok((interim, _)) if interim.is_informational() => {}
                final_head => return Poll::Ready(final_head),
            }
        }
    })
    .await
    .map_err(not_begun)?;
    if !agrees(&answer, framing, connects) {
        upstream.give_up();
        let reason = format!("tunnel_response:{}", answer.status);
        return Err(NotJoined::Failed(reason));
    }
    if connects {
        upstream.become_tunnel();
    }
    Ok(Tunnel {
        local,
        upstream: Some(upstream),
        unread: Bytes::new(),
        ended: false,
        is_over: false,
        connects,
        _place: place,
    })
}

fn not_begun(reason: ResetReason) -> NotJoined {
    match reason {
        ResetReason::Overflow => NotJoined::Overflow,
        _ => NotJoined::Failed(String::new()),
    }
}

/// RFC 9110 section 9.3.6: any 2xx opens what CONNECT asked for, whatever its fields say. An answer
/// to POST must have a body.
fn agrees(answer: &ResponseHead, framing: Framing, connects: bool) -> bool {
    (200..300).contains(&answer.status) && (connects || !framing.is_empty())
}

fn head(connection: &Connection, settings: &Tunneling) -> RequestHead {
    let record = connection.record();
    let hostname = render(&settings.hostname, &record);
    let (method, path) = match &settings.post {
        Some(path) => (Method::POST, path.as_str()),
        None => (Method::CONNECT, ""),
    };
    let mut head = RequestHead::new(method, &hostname, path);
    mutate::request(&settings.headers, &mut head, &record);
    head
}

impl Tunnel {
    /// Bytes so far, those that opened it included.
    pub(super) fn wire(&self) -> WireBytes {
        self.upstream
            .as_ref()
            .map(Upstream::wire)
            .unwrap_or_default()
    }

    fn upstream(&mut self) -> &mut Upstream {
        self.upstream
            .as_mut()
            .expect("it goes when the tunnel goes")
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(upstream) = self.upstream.take() {
            if self.ended && self.is_over {
                upstream.finish(Instant::now());
            } else {
                upstream.give_up();
            }
        }
    }
}

fn broken(reason: ResetReason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, reason.text())
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() && !self.is_over {
            match ready!(self.upstream().poll_frame(cx)).map_err(broken)? {
                Frame::Data(data) => self.unread = data,
                Frame::Trailers(_) | Frame::End => self.is_over = true,
            }
        }
        let length = self.unread.len().min(out.remaining());
        out.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let upstream = self.upstream();
        ready!(upstream.poll_room(cx)).map_err(broken)?;
        let data = Bytes::copy_from_slice(bytes);
        upstream.send_data(data, false).map_err(broken)?;
        let _ = upstream.poll_flush(cx).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.upstream().poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (ended, connects) = (std::mem::replace(&mut self.ended, true), self.connects);
        let upstream = self.upstream();
        let bare = connects && matches!(upstream, Upstream::Http1 { .. });
        if !ended && !bare {
            upstream.send_end(None).map_err(broken)?;
        }
        ready!(upstream.poll_flush(cx)).map_err(broken)?;
        if bare {
            ready!(upstream.poll_end_tunnel(cx));
        }
        Poll::Ready(Ok(()))
    }
}
