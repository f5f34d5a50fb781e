//! How long a kept HTTP/1.1 connection waits for its next request.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::http_manager::DRAIN_GRACE;
use crate::listener::Connection;
use crate::worker::Timer;

/// Made once per connection: a wait between two requests arms nothing anew.
pub(super) struct Patience<'c> {
    connection: &'c Connection,
    /// Resolves a moment after the listener or the process begins to drain.
    closing: Option<Pin<Box<dyn Future<Output = ()> + 'c>>>,
    limit: Option<Duration>,
    since: Instant,
}

/// Why the wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The connection is to end.
    Drained,
    /// Nothing came for too long.
    Idle,
}

impl<'c> Patience<'c> {
    pub(super) fn new(connection: &'c Connection, limit: Option<Duration>, now: Instant) -> Self {
        Self {
            connection,
            closing: None,
            limit,
            since: now,
        }
    }

    /// A wait begins.
    pub(super) fn begin(&mut self) {
        if self.limit.is_some() {
            self.since = Instant::now();
        }
    }

    /// Ready when the wait is over. The timer is the connection's.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, timer: &mut Timer) -> Poll<Over> {
        let connection = self.connection;
        let closing = self.closing.get_or_insert_with(|| {
            Box::pin(async move {
                connection.drain_begun().await;
                tokio::time::sleep(DRAIN_GRACE).await;
            })
        });
        if closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Over::Drained);
        }
        match self.limit {
            Some(limit) => timer
                .poll_until(cx, self.since + limit)
                .map(|()| Over::Idle),
            None => Poll::Pending,
        }
    }
}
