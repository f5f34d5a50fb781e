//! The HTTP connection manager: a codec on the connection, one exchange after the other (HTTP/1.1)
//! or side by side (HTTP/2, see `http2`).

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferromesh_http::Version;
use ferromesh_http::http1::{self, IncomingRequest, Limits};
use tokio::io::AsyncReadExt;

use super::http1_requests::next_request;
use super::http2;
use super::patience::Patience;
use crate::compiled::{Codec, HttpManager, OverloadAction};
use crate::http::{Downstream, Http1Side, run};
use crate::listener::{Connection, HttpKind, inspect_http};
use crate::worker::{Timer, Transport, Worker};

/// How long an idle connection stays open while its listener drains: a request that is on its way
/// still finds it.
pub(super) const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// Serves the connection to its end.
pub(crate) async fn http_manager(
    worker: &Rc<Worker>,
    connection: Rc<Connection>,
    manager: Arc<HttpManager>,
    mut transport: Transport,
    mut early: BytesMut,
) {
    let stats = manager.stats.clone();
    stats.downstream_cx_total().inc();
    stats.downstream_cx_active().inc();
    if connection.is_tls() {
        stats.downstream_cx_ssl_total().inc();
        stats.downstream_cx_ssl_active().inc();
    }
    let begun = Instant::now();
    match speaks_http2(&connection, &manager, &mut transport, &mut early).await {
        Some(true) => {
            stats.downstream_cx_http2_total().inc();
            stats.downstream_cx_http2_active().inc();
            Box::pin(http2::serve(
                worker,
                &connection,
                &manager,
                transport,
                early,
            ))
            .await;
            stats.downstream_cx_http2_active().dec();
        }
        Some(false) => {
            stats.downstream_cx_http1_total().inc();
            stats.downstream_cx_http1_active().inc();
            serve_http1(worker, &connection, &manager, transport, early).await;
            stats.downstream_cx_http1_active().dec();
        }
        None => {}
    }
    if connection.is_tls() {
        stats.downstream_cx_ssl_active().dec();
    }
    stats.downstream_cx_active().dec();
    stats.downstream_cx_destroy().inc();
    stats
        .downstream_cx_length_ms()
        .record_duration(begun.elapsed());
}

/// Which protocol is spoken; `None` when the client closed before that could be told.
async fn speaks_http2(
    connection: &Connection,
    manager: &HttpManager,
    transport: &mut Transport,
    early: &mut BytesMut,
) -> Option<bool> {
    match manager.codec {
        Codec::Http1 => return Some(false),
        Codec::Http2 => return Some(true),
        Codec::Auto => {}
    }
    match connection.tls.as_ref().and_then(|tls| tls.alpn.as_deref()) {
        Some(b"h2") => return Some(true),
        Some(b"http/1.1" | b"http/1.0") => return Some(false),
        _ => {}
    }
    // Only the beginning of the preface keeps us waiting; HTTP/1.1 shows in its first bytes.
    let idle = manager.timeouts.idle;
    let look = async {
        loop {
            let common = early.len().min(http1::HTTP2_PREFACE.len());
            if early[..common] != http1::HTTP2_PREFACE[..common] {
                return Some(false);
            }
            if inspect_http(early) == HttpKind::Http2 {
                return Some(true);
            }
            early.reserve(4096);
            match transport.read_buf(early).await {
                Ok(count) if count > 0 => {}
                _ => return None,
            }
        }
    };
    let mut look = pin!(look);
    tokio::select! {
        biased;
        kind = &mut look => kind,
        () = drained_or_idle(connection, idle) => None,
    }
}

/// Resolves when an idle connection is to be closed.
async fn drained_or_idle(connection: &Connection, idle: Option<Duration>) {
    let idle = async {
        match idle {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = async { connection.drain_begun().await; tokio::time::sleep(DRAIN_GRACE).await } => {}
        () = idle => {}
    }
}

fn limits(manager: &HttpManager) -> Limits {
    Limits {
        bytes: manager.max_request_headers,
        fields: manager.max_header_count.min(Limits::MOST_FIELDS),
    }
}

async fn serve_http1(
    worker: &Rc<Worker>,
    connection: &Connection,
    manager: &HttpManager,
    transport: Transport,
    early: BytesMut,
) {
    let mut side = Http1Side {
        connection: http1::Connection::new(transport, early, limits(manager))
            .with_names(manager.http1.names),
        close: false,
        trailers: manager.http1.enable_trailers,
        version: Version::Http11,
        timer: Timer::default(),
        malformed: None,
    };
    let mut served = 0_u32;
    let opened = Instant::now();
    let mut patience = Patience::new(connection, &manager.timeouts, opened);
    while let Some(request) =
        next_request(connection, manager, worker, &mut side, &mut patience).await
    {
        served += 1;
        let spent = manager
            .max_requests_per_connection
            .is_some_and(|most| served >= most);
        let old = manager
            .timeouts
            .max_connection_duration
            .is_some_and(|most| opened.elapsed() >= most);
        let strained = worker.overload.is_on(OverloadAction::DisableKeepAlive);
        if strained {
            let stats = &manager.stats;
            stats.downstream_cx_overload_disable_keepalive().inc();
        }
        side.close = !request.keep_alive || spent || old || strained;
        side.version = request.head.version;
        let IncomingRequest { head, framing, .. } = request;
        let mut downstream = Downstream::http1(&mut side);
        let served = run(worker, connection, manager, head, framing, &mut downstream).await;
        patience.begin(served.ended);
        if side.close {
            break;
        }
        if connection.is_draining() {
            manager.stats.downstream_cx_drain_close().inc();
        }
    }
    linger(&mut side, manager.timeouts.delayed_close).await;
}

/// Ends the sending first and reads on for a moment: closing at once, with bytes unread, would
/// reset the connection and could take the answer from the client (RFC 9112 section 9.6).
async fn linger(side: &mut Http1Side, limit: Duration) {
    let closing = async {
        if poll_fn(|cx| side.connection.poll_shutdown(cx))
            .await
            .is_err()
        {
            return;
        }
        if side.connection.is_ended() {
            return;
        }
        side.connection.become_tunnel();
        // At most 1 MiB is read away: a client that still sends more does not listen.
        let mut read = 0;
        while read < 1 << 20 {
            match poll_fn(|cx| side.connection.poll_frame(cx)).await {
                Ok(ferromesh_http::Frame::Data(data)) => read += data.len(),
                _ => return,
            }
        }
    };
    let _ = tokio::time::timeout(limit, closing).await;
}
