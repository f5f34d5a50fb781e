//! When an HTTP/2 connection has to end, by the clock.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::compiled::HttpTimeouts;

/// Which time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// There was no stream for too long.
    Idle,
    /// The connection's whole life.
    Duration,
    /// The client was told to go, has no stream and did not go.
    Drain,
}

/// The times of one connection, behind one timer that is armed for the earliest and looked at when
/// it fires: streams that come and go do not touch it.
#[derive(Debug)]
pub(super) struct Lifetime {
    idle: Option<Duration>,
    idle_since: Option<Instant>,
    ends: Option<Instant>,
    drain: Duration,
    drained: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Lifetime {
    pub(super) fn new(timeouts: &HttpTimeouts) -> Self {
        let now = Instant::now();
        Self {
            idle: timeouts.idle,
            idle_since: Some(now),
            ends: timeouts.max_connection_duration.map(|limit| now + limit),
            drain: timeouts.drain,
            drained: None,
            timer: None,
        }
    }

    /// Whether streams are open.
    pub(super) fn set_busy(&mut self, busy: bool) {
        if busy {
            self.idle_since = None;
        } else if self.idle_since.is_none() {
            self.idle_since = Some(Instant::now());
        }
    }

    /// The client was told to go.
    pub(super) fn drain(&mut self) {
        self.ends = None;
        self.drained = Some(Instant::now() + self.drain);
    }

    /// Resolves when a time is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            let Some((due, at)) = self.earliest() else {
                return Poll::Pending;
            };
            let at = tokio::time::Instant::from_std(at);
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if at < timer.deadline() {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if at <= tokio::time::Instant::now() {
                return Poll::Ready(due);
            }
            timer.as_mut().reset(at);
        }
    }

    fn earliest(&self) -> Option<(Due, Instant)> {
        if let Some(drained) = self.drained {
            // Streams that are open end in their own time.
            return self
                .idle_since
                .map(|since| (Due::Drain, since.max(drained)));
        }
        let idle = self.idle.zip(self.idle_since);
        let idle = idle.map(|(limit, since)| (Due::Idle, since + limit));
        let ends = self.ends.map(|at| (Due::Duration, at));
        [idle, ends].into_iter().flatten().min_by_key(|(_, at)| *at)
    }
}
