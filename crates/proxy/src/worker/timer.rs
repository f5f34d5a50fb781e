//! One timer for deadlines that move away all the time.
//!
//! Moving a timer costs as much as parsing a head, and nearly every deadline of a proxy is moved
//! before it is due. So the timer is moved only when a deadline comes closer than it stands; when it
//! fires too early, it is moved then. It also outlives the exchange that armed it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::time::Sleep;

/// The timer; takes no memory until it is waited for.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom it wakes, once it is armed.
    asked: Option<Waker>,
}

impl Timer {
    /// Ready when `due` has come.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let due = tokio::time::Instant::from_std(due);
        let timer = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        } else if let Some(asked) = &self.asked
            && asked.will_wake(cx.waker())
            && !timer.is_elapsed()
        {
            return Poll::Pending;
        }
        while timer.as_mut().poll(cx).is_ready() {
            if due <= tokio::time::Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        self.asked = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test]
    async fn a_deadline_that_came_closer_is_kept_and_one_that_moved_away_is_not_early() {
        let now = Instant::now();
        let far = now + Duration::from_hours(1);
        let mut timer = Timer::default();
        let first = poll_fn(|cx| Poll::Ready(timer.poll_until(cx, far))).await;
        assert!(first.is_pending());
        // The runtime's clock counts whole milliseconds, rounded up: only a past one is due at once.
        let past = now
            .checked_sub(Duration::from_secs(1))
            .expect("the machine is up that long");
        poll_fn(|cx| timer.poll_until(cx, past)).await;
        let again = poll_fn(|cx| Poll::Ready(timer.poll_until(cx, far))).await;
        assert!(
            again.is_pending(),
            "the timer had fired for another deadline"
        );
    }
}
