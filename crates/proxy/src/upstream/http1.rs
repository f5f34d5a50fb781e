//! An HTTP/1.1 connection to an endpoint, lent to one exchange at a time.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use ferromesh_http::http1::{Connection, Limits};
use ferromesh_types::Str;

use super::connect::{Connected, Link};
use super::pool::Pool;
use crate::compiled::ConnectionLimits;
use crate::worker::Transport;

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Http1Upstream {
    /// The codec on its socket.
    pub(crate) connection: Connection<Transport>,
    /// Our end.
    pub(crate) local: Option<SocketAddr>,
    /// URI name of the endpoint's certificate.
    pub(crate) peer_uri: Option<Str>,
    /// Whether it carried a request before: then it may have died unnoticed.
    pub(crate) reused: bool,
    requests: u32,
    link: Link,
    open: OpenGuard,
}

/// A connection that waits for its next exchange.
#[derive(Debug)]
pub(super) struct IdleHttp1 {
    connection: Connection<Transport>,
    local: Option<SocketAddr>,
    peer_uri: Option<Str>,
    requests: u32,
    since: Instant,
    link: Link,
}

/// Counts the connection in its pool; who waits for room is told when it closes.
#[derive(Debug)]
struct OpenGuard {
    pool: Rc<Pool>,
}

impl OpenGuard {
    fn new(pool: &Rc<Pool>) -> Self {
        pool.open.set(pool.open.get() + 1);
        Self {
            pool: Rc::clone(pool),
        }
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.pool.open.set(self.pool.open.get() - 1);
        self.pool.changed.notify_one();
    }
}

impl Http1Upstream {
    pub(super) fn new(connected: Connected, pool: &Rc<Pool>) -> Self {
        pool.cluster.stats.upstream_cx_http1_total().inc();
        Self {
            connection: Connection::new(connected.transport, BytesMut::new(), Limits::default()),
            local: connected.local,
            peer_uri: connected.peer_uri,
            reused: false,
            requests: 0,
            link: connected.guard,
            open: OpenGuard::new(pool),
        }
    }

    /// Gives the connection back after a complete exchange that leaves it usable.
    pub(crate) fn release(mut self) {
        let pool = Rc::clone(&self.open.pool);
        let limits = &pool.cluster.connections;
        let requests = self.requests + 1;
        let spent = limits.max_requests.is_some_and(|most| requests >= most);
        let old = limits
            .max_duration
            .is_some_and(|most| self.link.opened().elapsed() >= most);
        if spent {
            pool.cluster.stats.upstream_cx_max_requests().inc();
        }
        if spent || old || self.connection.has_unread() || self.connection.is_ended() {
            return;
        }
        self.connection.release_buffers();
        let idle = IdleHttp1 {
            connection: self.connection,
            local: self.local,
            peer_uri: self.peer_uri,
            requests,
            since: Instant::now(),
            link: self.link,
        };
        // The guard is dropped after the connection is back, so that who waits finds it.
        pool.give_back(idle);
    }
}

impl IdleHttp1 {
    pub(super) fn into_use(mut self, pool: &Rc<Pool>) -> Option<Http1Upstream> {
        if !self.is_alive() {
            return None;
        }
        Some(Http1Upstream {
            connection: self.connection,
            local: self.local,
            peer_uri: self.peer_uri,
            reused: true,
            requests: self.requests,
            link: self.link,
            open: OpenGuard::new(pool),
        })
    }

    pub(super) fn is_good(&mut self, now: Instant, limits: &ConnectionLimits) -> bool {
        let idle = now.saturating_duration_since(self.since);
        let old = now.saturating_duration_since(self.link.opened());
        limits.idle_timeout.is_none_or(|most| idle < most)
            && limits.max_duration.is_none_or(|most| old < most)
            && self.is_alive()
    }

    /// Nothing may arrive on an idle connection: bytes or an end mean that it is of no use.
    fn is_alive(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.connection.poll_fill(&mut cx), Poll::Pending)
    }
}
