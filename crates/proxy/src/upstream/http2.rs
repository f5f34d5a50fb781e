//! An HTTP/2 connection to an endpoint, shared by many exchanges.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use ferromesh_http::RequestHead;
use ferromesh_http::http2::{self, ClientSender, ClientStream, Http2Error, Settings};
use ferromesh_types::Str;
use tracing::debug;

use super::connect::Connected;
use crate::compiled::{Cluster, ConnectionLimits, Http2Settings};

/// A connection.
#[derive(Debug)]
pub(crate) struct Http2Connection {
    sender: RefCell<ClientSender>,
    local: Option<SocketAddr>,
    peer_uri: Option<Str>,
    opened: Instant,
    /// When the last stream ended, while none is open.
    idle_since: Cell<Instant>,
    active: Cell<u32>,
    requests: Cell<u32>,
    most_streams: u32,
    most_requests: Option<u32>,
    closed: Rc<Cell<bool>>,
}

/// One exchange on a connection.
#[derive(Debug)]
pub(crate) struct Http2Upstream {
    /// The stream.
    pub(crate) stream: ClientStream,
    _lease: Lease,
}

impl Http2Connection {
    /// Speaks first on a new connection and runs it as a task of this worker.
    pub(super) async fn open(
        connected: Connected,
        cluster: &Cluster,
        settings: &Http2Settings,
    ) -> Result<Rc<Self>, Http2Error> {
        let (sender, driver) = http2::connect(connected.transport, &wire(settings)).await?;
        cluster.stats.upstream_cx_http2_total().inc();
        let closed = Rc::new(Cell::new(false));
        let guard = connected.guard;
        let opened = guard.opened();
        let mark = Rc::clone(&closed);
        tokio::task::spawn_local(async move {
            if let Err(reason) = driver.await {
                debug!(%reason, "an HTTP/2 connection to an endpoint ended");
            }
            mark.set(true);
            drop(guard);
        });
        Ok(Rc::new(Self {
            sender: RefCell::new(sender),
            local: connected.local,
            peer_uri: connected.peer_uri,
            opened,
            idle_since: Cell::new(Instant::now()),
            active: Cell::new(0),
            requests: Cell::new(0),
            most_streams: settings.max_concurrent_streams,
            most_requests: cluster.connections.max_requests,
            closed,
        }))
    }

    /// Whether another stream may be opened now.
    pub(super) fn has_room(&self) -> bool {
        let server = self.sender.borrow().max_streams();
        let most = (self.most_streams as usize).min(server);
        !self.closed.get()
            && (self.active.get() as usize) < most.max(1)
            && self
                .most_requests
                .is_none_or(|most| self.requests.get() < most)
    }

    /// Reserves a stream; `None` when the connection takes none any more.
    pub(super) async fn reserve(self: &Rc<Self>) -> Option<Reservation> {
        let reservation = Reservation::new(self);
        let mut sender = self.sender.borrow().clone();
        if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
            self.closed.set(true);
            return None;
        }
        Some(Reservation {
            sender: Some(sender),
            ..reservation
        })
    }

    pub(super) fn is_good(&self, now: Instant, limits: &ConnectionLimits) -> bool {
        let idle = now.saturating_duration_since(self.idle_since.get());
        let old = now.saturating_duration_since(self.opened);
        let busy = self.active.get() > 0;
        !self.closed.get()
            && (busy || limits.idle_timeout.is_none_or(|most| idle < most))
            && limits.max_duration.is_none_or(|most| old < most)
            && (busy
                || self
                    .most_requests
                    .is_none_or(|most| self.requests.get() < most))
    }
}

/// A place on a connection for one exchange.
#[derive(Debug)]
pub(crate) struct Reservation {
    sender: Option<ClientSender>,
    lease: Lease,
}

/// Counts the exchange on its connection.
#[derive(Debug)]
struct Lease(Rc<Http2Connection>);

impl Drop for Lease {
    fn drop(&mut self) {
        let left = self.0.active.get() - 1;
        self.0.active.set(left);
        if left == 0 {
            self.0.idle_since.set(Instant::now());
        }
    }
}

impl Reservation {
    fn new(connection: &Rc<Http2Connection>) -> Self {
        connection.active.set(connection.active.get() + 1);
        Self {
            sender: None,
            lease: Lease(Rc::clone(connection)),
        }
    }

    /// Our end of the connection.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.lease.0.local
    }

    /// URI name of the endpoint's certificate.
    pub(crate) fn peer_uri(&self) -> Option<&Str> {
        self.lease.0.peer_uri.as_ref()
    }

    /// Opens the stream. `Ok(None)`: the head cannot be expressed in HTTP/2.
    pub(crate) fn send(
        self,
        head: &RequestHead,
        end: bool,
    ) -> Result<Option<Http2Upstream>, Http2Error> {
        let connection = &self.lease.0;
        connection.requests.set(connection.requests.get() + 1);
        let Some(mut sender) = self.sender else {
            return Ok(None);
        };
        let stream = sender.send_request(head, end)?;
        Ok(stream.map(|stream| Http2Upstream {
            stream,
            _lease: self.lease,
        }))
    }
}

fn wire(settings: &Http2Settings) -> Settings {
    Settings {
        stream_window: settings.stream_window,
        connection_window: settings.connection_window,
        max_concurrent_streams: settings.max_concurrent_streams,
        ..Settings::default()
    }
}
