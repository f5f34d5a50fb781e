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
    /// Nothing moved in the one try for too long.
    TryIdle,
    /// The one try's whole life.
    TryStream,
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
    pub(super) try_stream: Option<Instant>,
    try_idle: Option<(Duration, Instant)>,
    pub(super) upload: Option<Instant>,
    pub(super) stream: Option<Instant>,
    idle: Option<(Duration, Instant)>,
    /// Whether something moved since the clock was read last.
    stirred: bool,
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

    /// Nothing of a try that begins `now` may be still for longer than `limit`.
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

    /// What is left of the time for the answer.
    pub(super) fn left(&self) -> Option<Duration> {
        let request = self.request?;
        Some(request.saturating_duration_since(Instant::now()))
    }

    /// A tunnel is no answer that would be late: what is left is how long it may be still, and its
    /// whole life.
    pub(super) fn become_tunnel(&mut self) {
        let kept = Self {
            stream: self.stream,
            idle: self.idle,
            timer: std::mem::take(&mut self.timer),
            ..Self::default()
        };
        *self = kept;
        self.moved();
    }

    /// Something moved. The clock is read when there is something to wait for.
    pub(super) fn moved(&mut self) {
        self.stirred = true;
    }

    fn settle(&mut self) {
        let stirred = std::mem::take(&mut self.stirred);
        if !stirred || (self.idle.is_none() && self.try_idle.is_none()) {
            return;
        }
        let now = Instant::now();
        for (_, last) in [&mut self.idle, &mut self.try_idle].into_iter().flatten() {
            *last = now;
        }
    }

    /// Ready when one of them is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        self.settle();
        match self.earliest() {
            Some((expired, due)) => self.timer.poll_until(cx, due).map(|()| expired),
            None => Poll::Pending,
        }
    }

    fn earliest(&self) -> Option<(Expired, Instant)> {
        let due = |idle: Option<(Duration, Instant)>| idle.map(|(limit, last)| last + limit);
        [
            (Expired::Request, self.request),
            (Expired::Try, self.per_try),
            (Expired::TryIdle, due(self.try_idle)),
            (Expired::TryStream, self.try_stream),
            (Expired::Idle, due(self.idle)),
            (Expired::Upload, self.upload),
            (Expired::Stream, self.stream),
        ]
        .into_iter()
        .filter_map(|(expired, due)| Some((expired, due?)))
        .min_by_key(|(_, due)| *due)
    }
}
