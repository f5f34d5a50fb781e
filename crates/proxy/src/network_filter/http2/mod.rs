//! One HTTP/2 connection of a client: its preface, its streams side by side, its end.

mod lifetime;
mod resets;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use ferromesh_http::http1::{HTTP2_PREFACE, HeadError};
use ferromesh_http::http2::{self, Http2Error, ServerConnection, ServerStream, Settings};
use ferromesh_http::{Framing, RequestHead};
use ferromesh_net::Rewind;
use tokio::io::AsyncReadExt;

use self::lifetime::{Due, Lifetime};
use self::resets::{Resets, SHORT_LIFE};
use super::hang_up::hang_up;
use super::refuse::refuse;
use crate::compiled::{HttpManager, OverloadAction};
use crate::http::refuse_head;
use crate::http::{Downstream, Keepalive, run};
use crate::listener::Connection;
use crate::worker::{Active, Seat, StreamTasks, Transport, Worker};

/// Serves the connection to its end.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    manager: &Arc<HttpManager>,
    mut transport: Transport,
    mut early: BytesMut,
) {
    if !has_preface(manager, &mut transport, &mut early).await {
        // Who does not speak HTTP/2 gets no frame (RFC 9113 section 3.4), but an orderly end.
        manager.stats.downstream_cx_protocol_error().inc();
        hang_up(&mut transport, manager.timeouts.delayed_close).await;
        return;
    }
    let io = Rewind::new(early.freeze(), transport);
    let Ok(mut accepted) = http2::accept(io, &settings(manager)).await else {
        manager.stats.downstream_cx_protocol_error().inc();
        return;
    };
    let keepalive = manager.http2.keepalive;
    let pinger = keepalive.and_then(|settings| Some((settings, accepted.pinger()?)));
    let mut state = State {
        worker,
        manager,
        lifetime: Lifetime::new(&manager.timeouts),
        keepalive: pinger.map(|(settings, pinger)| Keepalive::new(settings, pinger)),
        resets: Rc::default(),
        draining: false,
        served: 0,
    };
    let mut told_to_drain = pin!(connection.drain_begun());
    while let Some((head, stream)) =
        poll_fn(|cx| state.poll(cx, &mut accepted, told_to_drain.as_mut())).await
    {
        let stream = Stream {
            active: worker.begin(),
            connection: Rc::clone(connection),
            manager: Arc::clone(manager),
            resets: Rc::clone(&state.resets),
            head,
            ends: Box::new(stream),
        };
        let owner = Rc::clone(worker);
        worker
            .streams
            .submit(stream, |tasks| serve_streams(owner, tasks));
    }
}

/// A stream that waits to be served.
pub(crate) struct Stream {
    active: Active,
    connection: Rc<Connection>,
    manager: Arc<HttpManager>,
    resets: Rc<Resets>,
    head: RequestHead,
    /// Boxed here already: the task's future need not have room for it.
    ends: Box<ServerStream>,
}

/// The task of [`StreamTasks`] that serves streams.
pub(super) async fn serve_streams(worker: Rc<Worker>, tasks: Rc<StreamTasks<Stream>>) {
    let seat = Rc::<Seat>::default();
    while let Some(next) = tasks.next(&seat).await {
        let Stream {
            active,
            connection,
            manager,
            resets,
            head,
            ends,
        } = next;
        let handling = pin!(async {
            let begun = Instant::now();
            let gone = serve_stream(&worker, &connection, &manager, head, ends).await;
            resets.ended(gone && begun.elapsed() < SHORT_LIFE);
        });
        worker.guard(active, handling).await;
    }
}

/// Reads until the preface is complete or wrong.
async fn has_preface(
    manager: &HttpManager,
    transport: &mut Transport,
    early: &mut BytesMut,
) -> bool {
    let read = async {
        loop {
            let common = early.len().min(HTTP2_PREFACE.len());
            if early[..common] != HTTP2_PREFACE[..common] {
                return false;
            }
            if common == HTTP2_PREFACE.len() {
                return true;
            }
            early.reserve(4096);
            if !matches!(transport.read_buf(early).await, Ok(count) if count > 0) {
                return false;
            }
        }
    };
    match manager.timeouts.idle {
        Some(limit) => tokio::time::timeout(limit, read).await.unwrap_or(false),
        None => read.await,
    }
}

fn settings(manager: &HttpManager) -> Settings {
    Settings {
        stream_window: manager.http2.stream_window,
        connection_window: manager.http2.connection_window,
        max_concurrent_streams: manager.http2.max_concurrent_streams,
        header_table: manager.http2.header_table,
        max_head_bytes: manager.max_request_headers as u32,
        extended_connect: manager.http2.allow_connect || !manager.upgrades.is_empty(),
        floods: manager.http2.floods,
    }
}

type Accepted = ServerConnection<Rewind<Transport>>;

/// What a connection goes through besides its streams.
struct State<'m> {
    worker: &'m Worker,
    manager: &'m HttpManager,
    lifetime: Lifetime,
    keepalive: Option<Keepalive>,
    resets: Rc<Resets>,
    /// Whether the client was told to go.
    draining: bool,
    served: u32,
}

impl State<'_> {
    /// The next stream; `None` when the connection has ended.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        accepted: &mut Accepted,
        told_to_drain: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<Option<(RequestHead, ServerStream)>> {
        let stats = &self.manager.stats;
        if !self.draining && told_to_drain.poll(cx).is_ready() {
            stats.downstream_cx_drain_close().inc();
            self.drain(accepted);
        }
        if let Some(keepalive) = &mut self.keepalive
            && keepalive.poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        if self.resets.are_too_many() {
            accepted.calm();
        }
        let next = accepted.poll_accept(cx);
        if let Poll::Ready(next) = next {
            return Poll::Ready(self.take(next, accepted));
        }
        self.lifetime.set_busy(accepted.has_streams());
        match self.lifetime.poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Due::Drain) => return Poll::Ready(None),
            Poll::Ready(Due::Idle) => stats.downstream_cx_idle_timeout().inc(),
            Poll::Ready(Due::Duration) => stats.downstream_cx_max_duration_reached().inc(),
        }
        self.drain(accepted);
        // The announcement has to go out, and the clock of the drain to be armed.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take(
        &mut self,
        next: Option<Result<(RequestHead, ServerStream), Http2Error>>,
        accepted: &mut Accepted,
    ) -> Option<(RequestHead, ServerStream)> {
        match next {
            Some(Ok(stream)) => {
                self.lifetime.set_busy(true);
                self.served = self.served.saturating_add(1);
                let most = self.manager.max_requests_per_connection;
                let spent = most.is_some_and(|most| self.served >= most);
                let strained = self.worker.overload.is_on(OverloadAction::DisableKeepAlive);
                if !self.draining && strained {
                    let stats = &self.manager.stats;
                    stats.downstream_cx_overload_disable_keepalive().inc();
                }
                if !self.draining && (spent || strained) {
                    self.drain(accepted);
                }
                Some(stream)
            }
            Some(Err(error)) => {
                if error.is_protocol() {
                    self.manager.stats.downstream_cx_protocol_error().inc();
                }
                None
            }
            None => {
                if accepted.is_calmed() {
                    self.manager.stats.downstream_cx_protocol_error().inc();
                }
                None
            }
        }
    }

    /// Tells the client to open no more streams: first that the end is near, then, when it has heard
    /// that, the last stream that counts (RFC 9113 section 6.8).
    fn drain(&mut self, accepted: &mut Accepted) {
        self.draining = true;
        self.lifetime.drain();
        accepted.drain();
    }
}

/// Serves a stream; true when the client gave it up.
async fn serve_stream(
    worker: &Rc<Worker>,
    connection: &Connection,
    manager: &HttpManager,
    head: RequestHead,
    mut stream: Box<ServerStream>,
) -> bool {
    if head.headers.len() > manager.max_header_count {
        let mut reply = refuse_head(HeadError::TooManyFields);
        reply.details = "http2.too_many_headers".into();
        refuse(
            connection,
            manager,
            worker,
            (reply, head.version),
            |head, body| {
                // A client that is gone needs no refusal.
                let told = stream.send_response(head, body.is_empty());
                if told.is_ok()
                    && !body.is_empty()
                    && let Some(sending) = stream.sending()
                {
                    let _ = sending.send_data(body, true);
                }
                stream.wire()
            },
        );
        return false;
    }
    let framing = if stream.receiving.is_done() {
        Framing::None
    } else {
        let length = head.headers.text("content-length");
        match length.and_then(|length| length.parse().ok()) {
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        }
    };
    let mut downstream = Downstream::http2(stream);
    let served = run(worker, connection, manager, head, framing, &mut downstream).await;
    served.gone
}
