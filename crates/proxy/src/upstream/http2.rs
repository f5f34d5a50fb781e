//! An HTTP/2 connection to an endpoint, shared by many exchanges.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use ferromesh_http::RequestHead;
use ferromesh_http::http2::{
    self, ASSUMED_STREAMS, ClientConnection, ClientSender, ClientStream, Http2Error, Settings,
};
use ferromesh_tls::Session;
use tokio::sync::Notify;
use tracing::debug;

use super::connect::{Connected, Link, OurEnd};
use super::pool::Pool;
use crate::compiled::{ConnectionLimits, Http2Settings};
use crate::http::Keepalive;
use crate::worker::Transport;

/// A connection.
#[derive(Debug)]
pub(crate) struct Http2Connection {
    sender: RefCell<ClientSender>,
    local: OurEnd,
    tls: Option<Arc<Session>>,
    opened: Instant,
    /// When the last stream ended, while none is open.
    idle_since: Cell<Instant>,
    active: Cell<u32>,
    requests: Cell<u32>,
    most_streams: u32,
    /// What the endpoint admitted on any connection of the pool.
    learnt: Rc<Cell<Option<usize>>>,
    limits: ConnectionLimits,
    closed: Rc<Cell<bool>>,
    /// Told when there is room again, or no use in waiting for it.
    freed: Rc<Notify>,
    doubt: Option<Doubt>,
}

/// After how long a silence the endpoint is asked whether it is there, and the bell for that.
#[derive(Debug)]
struct Doubt {
    after: Duration,
    ask: Rc<Notify>,
}

/// One exchange on a connection.
#[derive(Debug)]
pub(crate) struct Http2Upstream {
    /// The stream.
    pub(crate) stream: ClientStream,
    /// Whether the connection carried a request before: then it may have died unnoticed.
    pub(crate) reused: bool,
    /// Whether a head of the answer has come.
    pub(crate) answered: bool,
    _lease: Lease,
}

impl Http2Connection {
    /// Speaks first on a new connection and runs it as a task of this worker.
    pub(super) async fn open(
        connected: Connected,
        pool: &Pool,
        settings: &Http2Settings,
    ) -> Result<Rc<Self>, Http2Error> {
        let (sender, mut driver) = http2::connect(connected.transport, &wire(settings)).await?;
        pool.cluster.stats.upstream_cx_http2_total().inc();
        let keepalive = settings.keepalive.and_then(|settings| {
            let pinger = driver.pinger()?;
            Some(Keepalive::new(settings, pinger))
        });
        let doubt = settings.keepalive.and_then(|settings| {
            let (after, ask) = (settings.idle_interval?, Rc::default());
            Some(Doubt { after, ask })
        });
        let opened = connected.guard.opened();
        let running = Running {
            driver,
            keepalive,
            ask: doubt.as_ref().map(|doubt| Rc::clone(&doubt.ask)),
            closed: Rc::default(),
            freed: Rc::clone(&pool.changed),
            _link: connected.guard,
        };
        let connection = Self {
            sender: RefCell::new(sender),
            local: connected.local,
            tls: connected.tls,
            opened,
            idle_since: Cell::new(Instant::now()),
            active: Cell::new(0),
            requests: Cell::new(0),
            most_streams: settings.max_concurrent_streams,
            learnt: Rc::clone(&pool.learnt),
            limits: pool.cluster.connections,
            closed: Rc::clone(&running.closed),
            freed: Rc::clone(&pool.changed),
            doubt,
        };
        tokio::task::spawn_local(running.run());
        Ok(Rc::new(connection))
    }

    /// Whether another stream may be opened now.
    pub(super) fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// Streams that are open, or about to be.
    pub(super) fn active(&self) -> usize {
        self.active.get() as usize
    }

    /// How many more streams may be opened now.
    pub(super) fn room(&self) -> usize {
        if self.closed.get() || self.is_spent() {
            return 0;
        }
        // Within what we were told, and what the endpoint says in its settings.
        let server = self.sender.borrow().max_streams();
        if server.is_some() {
            self.learnt.set(server);
        }
        let server = server.or(self.learnt.get()).unwrap_or(ASSUMED_STREAMS);
        let most = (self.most_streams as usize).min(server);
        most.max(1).saturating_sub(self.active())
    }

    /// Whether it has carried as many requests, or lived as long, as it may.
    fn is_spent(&self) -> bool {
        let limits = &self.limits;
        limits
            .max_requests
            .is_some_and(|most| self.requests.get() >= most)
            || limits
                .max_duration
                .is_some_and(|most| self.opened.elapsed() >= most)
    }

    /// Reserves a stream; `None` when the connection takes none any more.
    pub(super) async fn reserve(self: &Rc<Self>) -> Option<Reservation> {
        let lease = Lease::new(self);
        let mut sender = self.sender.borrow().clone();
        if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
            self.closed.set(true);
            return None;
        }
        Some(Reservation { sender, lease })
    }

    /// Whether the pool keeps it.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        if self.closed.get() || self.is_spent() {
            return false;
        }
        let idle = now.saturating_duration_since(self.idle_since.get());
        self.active.get() > 0 || self.limits.idle_timeout.is_none_or(|most| idle < most)
    }

    /// Whether the endpoint, or the way to it, has ended it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether its requests are used up.
    pub(super) fn had_its_requests(&self) -> bool {
        let most = self.limits.max_requests;
        most.is_some_and(|most| self.requests.get() >= most)
    }
}

/// The task of a connection.
struct Running {
    driver: ClientConnection<Transport>,
    keepalive: Option<Keepalive>,
    ask: Option<Rc<Notify>>,
    closed: Rc<Cell<bool>>,
    freed: Rc<Notify>,
    _link: Link,
}

impl Running {
    async fn run(mut self) {
        let result = match &mut self.keepalive {
            None => self.driver.await,
            Some(keepalive) => alive(&mut self.driver, keepalive, self.ask).await,
        };
        if let Err(reason) = result {
            debug!(%reason, "an HTTP/2 connection to an endpoint ended");
        }
        self.closed.set(true);
        self.freed.notify_waiters();
    }
}

/// Runs the connection until it ends or the endpoint gives no sign of life.
async fn alive(
    driver: &mut ClientConnection<Transport>,
    keepalive: &mut Keepalive,
    ask: Option<Rc<Notify>>,
) -> Result<(), Http2Error> {
    let bell = || async {
        match &ask {
            Some(ask) => ask.notified().await,
            None => std::future::pending().await,
        }
    };
    let mut asked = pin!(bell());
    poll_fn(|cx| {
        while asked.as_mut().poll(cx).is_ready() {
            keepalive.ask();
            asked.set(bell());
        }
        if keepalive.poll(cx).is_ready() {
            debug!("an endpoint answers no ping");
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *driver).poll(cx)
    })
    .await
}

/// A place on a connection for one exchange.
#[derive(Debug)]
pub(crate) struct Reservation {
    sender: ClientSender,
    lease: Lease,
}

/// Counts the exchange on its connection.
#[derive(Debug)]
struct Lease(Rc<Http2Connection>);

impl Lease {
    fn new(connection: &Rc<Http2Connection>) -> Self {
        connection.active.set(connection.active.get() + 1);
        Self(Rc::clone(connection))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let left = self.0.active.get() - 1;
        self.0.active.set(left);
        if left == 0 {
            self.0.idle_since.set(Instant::now());
        }
        self.0.freed.notify_one();
    }
}

impl Reservation {
    /// Our end of the connection.
    pub(crate) fn local(&self) -> OurEnd {
        self.lease.0.local
    }

    /// What TLS established, where it is spoken.
    pub(crate) fn tls(&self) -> Option<&Arc<Session>> {
        self.lease.0.tls.as_ref()
    }

    /// Opens the stream. `Ok(None)`: the head cannot be expressed in HTTP/2.
    pub(crate) fn send(
        mut self,
        head: &RequestHead,
        end: bool,
    ) -> Result<Option<Http2Upstream>, Http2Error> {
        let connection = &self.lease.0;
        let before = connection.requests.get();
        connection.requests.set(before.saturating_add(1));
        if let Some(doubt) = &connection.doubt
            && connection.active.get() == 1
            && connection.idle_since.get().elapsed() >= doubt.after
        {
            doubt.ask.notify_one();
        }
        let stream = self.sender.send_request(head, end)?;
        Ok(stream.map(|stream| Http2Upstream {
            stream,
            reused: before > 0,
            answered: false,
            _lease: self.lease,
        }))
    }
}

fn wire(settings: &Http2Settings) -> Settings {
    Settings {
        stream_window: settings.stream_window,
        connection_window: settings.connection_window,
        max_concurrent_streams: settings.max_concurrent_streams,
        header_table: settings.header_table,
        ..Settings::default()
    }
}
