//! Drain: telling many tasks to finish, and waiting until they have.
//!
//! The trigger is held by the one who decides; every connection holds a signal. The drain is over
//! when the last signal is dropped.

use tokio::sync::{mpsc, watch};

/// Creates the two ends.
pub fn drain_channel() -> (DrainTrigger, DrainSignal) {
    let (begun_sender, begun) = watch::channel(false);
    let (alive, all_gone) = mpsc::channel(1);
    (
        DrainTrigger {
            begun: begun_sender,
            all_gone,
        },
        DrainSignal {
            begun,
            _alive: alive,
        },
    )
}

/// Starts a drain and waits for its end.
#[derive(Debug)]
pub struct DrainTrigger {
    begun: watch::Sender<bool>,
    all_gone: mpsc::Receiver<()>,
}

impl DrainTrigger {
    /// Tells every holder of a signal to finish.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Tells every holder to finish and waits until all of them are gone.
    pub async fn drain(mut self) {
        self.begin();
        // Nobody sends on this channel: it ends when the last signal is dropped.
        let _ = self.all_gone.recv().await;
    }
}

/// Held by whatever has to finish before the process may leave.
#[derive(Clone, Debug)]
pub struct DrainSignal {
    begun: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

impl DrainSignal {
    /// Resolves when a drain has begun, or when its trigger is gone.
    pub async fn begun(&mut self) {
        let _ = self.begun.wait_for(|begun| *begun).await;
    }

    /// Whether a drain has begun.
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_ends_when_the_last_holder_is_gone() {
        let (trigger, signal) = drain_channel();
        let mut holder = signal.clone();
        drop(signal);
        let task = tokio::spawn(async move {
            holder.begun().await;
            assert!(holder.has_begun());
        });
        trigger.drain().await;
        task.await.expect("the holder ended by itself");
    }
}
