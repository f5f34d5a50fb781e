//! Telling the connections of one worker to finish. Single-threaded on purpose.

use std::cell::Cell;

use tokio::sync::Notify;

/// Opens once, for good; those who wait are told.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    begun: Cell<bool>,
    notify: Notify,
}

impl Gate {
    /// Tells everyone.
    pub(crate) fn begin(&self) {
        self.begun.set(true);
        self.notify.notify_waiters();
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.get()
    }

    /// Resolves when it has begun.
    pub(crate) async fn begun(&self) {
        while !self.begun.get() {
            // Single-threaded: nothing can begin between the check and the registration.
            self.notify.notified().await;
        }
    }
}
