//! How long a kept HTTP/1.1 connection waits for its next request.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::http_manager::DRAIN_GRACE;
use crate::compiled::HttpTimeouts;
use crate::listener::Connection;
use crate::worker::Timer;

/// Made once per connection: a wait between two requests arms nothing anew.
pub(super) struct Patience<'c> {
    connection: &'c Connection,
    /// Resolves a moment after the listener or the process begins to drain.
    closing: Option<Pin<Box<dyn Future<Output = ()> + 'c>>>,
    /// Whom it wakes.
    asked: Option<Waker>,
    limit: Option<Duration>,
    since: Instant,
    /// When the connection is too old. It is announced by nothing but the close, which comes a
    /// little later, so that a request on its way still finds it.
    end: Option<Instant>,
}

/// Why the wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The connection is to end.
    Drained,
    /// Nothing came for too long.
    Idle,
    /// The connection has lived too long.
    Old,
}

impl<'c> Patience<'c> {
    pub(super) fn new(connection: &'c Connection, timeouts: &HttpTimeouts, now: Instant) -> Self {
        let age = timeouts.max_connection_duration;
        Self {
            connection,
            closing: None,
            asked: None,
            limit: timeouts.idle,
            since: now,
            end: age.map(|age| now + age + timeouts.drain),
        }
    }

    /// A wait begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since = now;
    }

    /// Ready when the wait is over. The timer is the connection's.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, timer: &mut Timer) -> Poll<Over> {
        let connection = self.connection;
        // It wakes who asked last: as long as nothing drains, that is all there is to ask.
        let asked = self.asked.as_ref();
        let waits = asked.is_some_and(|asked| asked.will_wake(cx.waker()));
        if !waits || connection.is_draining() {
            let closing = self.closing.get_or_insert_with(|| {
                Box::pin(async move {
                    connection.drain_begun().await;
                    tokio::time::sleep(DRAIN_GRACE).await;
                })
            });
            if closing.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Over::Drained);
            }
            self.asked = Some(cx.waker().clone());
        }
        let idle = self.limit.map(|limit| (self.since + limit, Over::Idle));
        let old = self.end.map(|end| (end, Over::Old));
        let first = [idle, old]
            .into_iter()
            .flatten()
            .min_by_key(|(due, _)| *due);
        match first {
            Some((due, over)) => timer.poll_until(cx, due).map(|()| over),
            None => Poll::Pending,
        }
    }
}
