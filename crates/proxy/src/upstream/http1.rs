//! An HTTP/1.1 connection to an endpoint, lent to one exchange at a time.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use ferromesh_http::http1::{Connection, Limits, NameCase};
use ferromesh_tls::Session;

use super::connect::{Connected, Link, OurEnd};
use super::pool::Pool;
use crate::compiled::{ConnectionLimits, UpstreamHttp};
use crate::worker::Transport;

/// Limits of an answer's head: Envoy's, which trust an endpoint with more than a client.
const ANSWER_LIMITS: Limits = Limits {
    bytes: 80 * 1024,
    fields: 100,
};

/// A connection to an endpoint: in use, or waiting in its pool for its next exchange.
#[derive(Debug)]
pub(crate) struct Http1Upstream {
    /// The codec on its socket.
    pub(crate) connection: Connection<Transport>,
    /// Our end.
    pub(crate) local: OurEnd,
    /// What TLS established, where it is spoken.
    pub(crate) tls: Option<Arc<Session>>,
    /// Whether it carried a request before: then it may have died unnoticed.
    pub(crate) reused: bool,
    requests: u32,
    since: Instant,
    link: Link,
    /// While it is in use.
    lent: Option<LentGuard>,
}

/// Counts the connection as lent; who waits for room is told when it is back or closed.
#[derive(Debug)]
struct LentGuard {
    pool: Rc<Pool>,
}

impl LentGuard {
    fn new(pool: &Rc<Pool>) -> Self {
        pool.open.set(pool.open.get() + 1);
        Self {
            pool: Rc::clone(pool),
        }
    }
}

impl Drop for LentGuard {
    fn drop(&mut self) {
        self.pool.open.set(self.pool.open.get() - 1);
        self.pool.changed.notify_one();
    }
}

impl Http1Upstream {
    pub(super) fn new(connected: Connected, pool: &Rc<Pool>) -> Self {
        pool.cluster.stats.upstream_cx_http1_total().inc();
        let names = match &pool.cluster.http {
            UpstreamHttp::Http1(options)
            | UpstreamHttp::Downstream(options, _)
            | UpstreamHttp::Alpn(options, _) => options.names,
            UpstreamHttp::Http2(_) => NameCase::Lower,
        };
        Self {
            connection: Connection::new(connected.transport, BytesMut::new(), ANSWER_LIMITS)
                .with_names(names),
            local: connected.local,
            tls: connected.tls,
            reused: false,
            requests: 0,
            since: Instant::now(),
            link: connected.guard,
            lent: Some(LentGuard::new(pool)),
        }
    }

    /// Gives the connection back `now`, after a complete exchange that leaves it usable.
    pub(crate) fn release(mut self: Box<Self>, now: Instant) {
        let Some(lent) = self.lent.take() else {
            return;
        };
        let pool = Rc::clone(&lent.pool);
        let limits = &pool.cluster.connections;
        self.requests += 1;
        self.since = now;
        let spent = limits
            .max_requests
            .is_some_and(|most| self.requests >= most);
        let old = limits
            .max_duration
            .is_some_and(|most| self.since.saturating_duration_since(self.link.opened()) >= most);
        if spent {
            pool.cluster.stats.upstream_cx_max_requests().inc();
        }
        if spent || old || self.connection.has_unread() || self.connection.is_ended() {
            return;
        }
        self.connection.release_buffers();
        self.reused = true;
        pool.give_back(self);
        // Only now that the connection is back, so that who waits finds it.
        drop(lent);
    }

    /// Puts a new connection into the pool, for a request to come. Like one that was used, it may have
    /// died by then.
    pub(super) fn put_by(mut self: Box<Self>) {
        let Some(lent) = self.lent.take() else {
            return;
        };
        self.since = Instant::now();
        self.reused = true;
        let pool = Rc::clone(&lent.pool);
        pool.give_back(self);
        drop(lent);
    }

    /// Takes it out of the pool; `None` when it has died there.
    pub(super) fn into_use(
        mut self: Box<Self>,
        pool: &Rc<Pool>,
        doubts: bool,
    ) -> Option<Box<Self>> {
        if !self.is_alive() || (doubts && !self.is_surely_alive()) {
            return None;
        }
        self.lent = Some(LentGuard::new(pool));
        Some(self)
    }

    pub(super) fn is_good(&mut self, now: Instant, limits: &ConnectionLimits) -> bool {
        let idle = now.saturating_duration_since(self.since);
        let old = now.saturating_duration_since(self.link.opened());
        limits.idle_timeout.is_none_or(|most| idle < most)
            && limits.max_duration.is_none_or(|most| old < most)
            && self.is_alive()
    }

    /// The same, with a system call. What TLS has to read may be harmless, but a new connection is
    /// cheap beside a request that fails.
    fn is_surely_alive(&self) -> bool {
        match self.connection.io() {
            Transport::Plain(stream) => stream.is_silent(),
            Transport::Client(stream) => stream.stream().is_silent(),
            Transport::Server(_) => false,
        }
    }

    /// Nothing may arrive on an idle connection: bytes or an end mean that it is of no use.
    fn is_alive(&mut self) -> bool {
        if let Transport::Plain(stream) = self.connection.io() {
            // Costs no system call as long as the reactor has seen nothing.
            let nothing = stream.try_read(&mut [0; 1]);
            return nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        }
        // TLS may have to read tickets and key updates, which are no data.
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.connection.poll_fill(&mut cx), Poll::Pending)
    }
}
