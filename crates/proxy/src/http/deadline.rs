//! The deadlines of one exchange behind one timer.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::worker::Timer;

/// Which time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// The route's, for the whole exchange.
    Request,
    /// The one try's.
    Try,
    /// Nothing moved for too long during one try.
    TryIdle,
    /// Nothing moved for too long.
    Idle,
    /// The client has not sent its whole request.
    Upload,
    /// The stream's whole life.
    Stream,
}

/// The deadlines.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Time for the answer, counted from the complete request.
    pub(super) request_limit: Option<Duration>,
    request: Option<Instant>,
    pub(super) per_try: Option<Instant>,
    pub(super) upload: Option<Instant>,
    pub(super) stream: Option<Instant>,
    idle: Option<(Duration, Instant)>,
    try_idle: Option<(Duration, Instant)>,
    timer: Timer,
}

impl Deadlines {
    /// Takes over the timer of an earlier exchange of the same task.
    pub(super) fn reuse(&mut self, timer: Timer) {
        self.timer = timer;
    }

    /// The timer, for the next exchange.
    pub(super) fn into_timer(self) -> Timer {
        self.timer
    }

    /// Nothing may be still for longer than `limit`, from now on.
    pub(super) fn set_idle(&mut self, limit: Option<Duration>, now: Instant) {
        self.idle = limit.map(|limit| (limit, now));
    }

    /// A try begins, in which nothing may be still for longer than `limit`.
    pub(super) fn set_try_idle(&mut self, limit: Option<Duration>, now: Instant) {
        self.try_idle = limit.map(|limit| (limit, now));
    }

    /// The request is complete since `completed`: its limit begins.
    pub(super) fn request_complete(&mut self, completed: Instant) {
        if self.request.is_none() {
            self.request = self.request_limit.map(|limit| completed + limit);
        }
        self.upload = None;
    }

    /// Something moved. Reads the clock only where it matters.
    pub(super) fn moved(&mut self) {
        if self.idle.is_none() && self.try_idle.is_none() {
            return;
        }
        let now = Instant::now();
        for (_, last) in self.idle.iter_mut().chain(&mut self.try_idle) {
            *last = now;
        }
    }

    /// Ready when one of them is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        match self.earliest() {
            Some((expired, due)) => self.timer.poll_until(cx, due).map(|()| expired),
            None => Poll::Pending,
        }
    }

    fn earliest(&self) -> Option<(Expired, Instant)> {
        let due = |(limit, last): (Duration, Instant)| last + limit;
        let idle = self.idle.map(due);
        [
            (Expired::TryIdle, self.try_idle.map(due)),
            (Expired::Request, self.request),
            (Expired::Try, self.per_try),
            (Expired::Idle, idle),
            (Expired::Upload, self.upload),
            (Expired::Stream, self.stream),
        ]
        .into_iter()
        .filter_map(|(expired, due)| Some((expired, due?)))
        .min_by_key(|(_, due)| *due)
    }
}
