//! Whether the other side of an HTTP/2 connection is still there.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ferromesh_http::http2::Pinger;
use tokio::time::{Instant, Sleep};

use crate::compiled::Http2Keepalive;

/// Without an interval, pings are sent on demand only: the clock rings this rarely for nothing.
const NEVER: Duration = Duration::from_hours(24);

/// Pings of one connection.
#[derive(Debug)]
pub(crate) struct Keepalive {
    settings: Http2Keepalive,
    pinger: Pinger,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
}

/// The other side gave no sign of life in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dead;

impl Keepalive {
    pub(crate) fn new(settings: Http2Keepalive, pinger: Pinger) -> Self {
        let first = wait(&settings);
        Self {
            settings,
            pinger,
            timer: Box::pin(tokio::time::sleep(first)),
            waiting: false,
        }
    }

    /// Asks now, unless an answer is awaited already.
    pub(crate) fn ask(&mut self) {
        // An error: a ping of the connection's own end is on its way, whose answer will do.
        if !self.waiting && self.pinger.send().is_ok() {
            self.waiting = true;
            let due = Instant::now() + self.settings.timeout;
            self.timer.as_mut().reset(due);
        }
    }

    /// Resolves when the other side is found to be dead. Poll it before the connection, which then
    /// sends the ping.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Dead> {
        loop {
            // A failed answer: the connection has ended, which it says itself.
            if self.waiting && self.pinger.poll_answer(cx).is_ready() {
                self.waiting = false;
                let due = Instant::now() + wait(&self.settings);
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(cx));
            if self.waiting {
                return Poll::Ready(Dead);
            }
            if self.settings.interval.is_some() {
                self.ask();
            }
            if !self.waiting {
                self.timer.as_mut().reset(Instant::now() + NEVER);
            }
        }
    }
}

/// The time to the next ping. Chance keeps connections that were made together from pinging
/// together.
fn wait(settings: &Http2Keepalive) -> Duration {
    let Some(interval) = settings.interval else {
        return NEVER;
    };
    let share = f64::from(settings.jitter) / 100.0;
    interval.mul_f64(1.0 + share * fastrand::f64())
}
