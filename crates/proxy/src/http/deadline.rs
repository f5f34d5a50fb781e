//! The deadlines of one exchange behind one timer.
//!
//! The timer is armed for the earliest deadline and only ever moved when a deadline comes closer;
//! one that moves away is noticed when the timer fires.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// Which time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// The route's, for the whole exchange.
    Request,
    /// The one try's.
    Try,
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
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadlines {
    /// Nothing may be still for longer than `limit`, from now on.
    pub(super) fn set_idle(&mut self, limit: Option<Duration>, now: Instant) {
        self.idle = limit.map(|limit| (limit, now));
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
        if let Some((_, last)) = &mut self.idle {
            *last = Instant::now();
        }
    }

    /// Ready when one of them is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        loop {
            let Some((expired, due)) = self.earliest() else {
                return Poll::Pending;
            };
            let due = tokio::time::Instant::from_std(due);
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if due < timer.deadline() {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if due <= tokio::time::Instant::now() {
                return Poll::Ready(expired);
            }
            timer.as_mut().reset(due);
        }
    }

    fn earliest(&self) -> Option<(Expired, Instant)> {
        let idle = self.idle.map(|(limit, last)| last + limit);
        [
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
