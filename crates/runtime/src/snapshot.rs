//! The one swappable pointer: a value is replaced whole, readers load it once per unit of work.
//!
//! Writers are few and rare, readers are many and hot: `arc-swap` loads without a lock. Who wants
//! to hear of changes subscribes; a subscriber sees the latest value, not every value.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

/// Owned by the one writer.
#[derive(Debug)]
pub struct Publisher<T> {
    shared: Arc<Shared<T>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Shared<T> {
    value: ArcSwap<T>,
}

impl<T> Publisher<T> {
    /// Starts with `initial`.
    pub fn new(initial: T) -> Self {
        let (changed, _) = watch::channel(0);
        Self {
            shared: Arc::new(Shared {
                value: ArcSwap::from_pointee(initial),
            }),
            changed,
        }
    }

    /// Replaces the value and tells the subscribers.
    pub fn publish(&self, value: Arc<T>) {
        self.shared.value.store(value);
        self.changed.send_modify(|count| *count += 1);
    }

    /// The current value.
    pub fn current(&self) -> Arc<T> {
        self.shared.value.load_full()
    }

    /// A reader's handle.
    pub fn reader(&self) -> Published<T> {
        Published {
            shared: Arc::clone(&self.shared),
            changed: self.changed.subscribe(),
        }
    }
}

/// A reader's handle.
#[derive(Debug)]
pub struct Published<T> {
    shared: Arc<Shared<T>>,
    changed: watch::Receiver<u64>,
}

impl<T> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            changed: self.changed.clone(),
        }
    }
}

impl<T> Published<T> {
    /// Borrows the current value; keep the guard no longer than one unit of work.
    pub fn load(&self) -> Guard<Arc<T>> {
        self.shared.value.load()
    }

    /// The current value, owned.
    pub fn current(&self) -> Arc<T> {
        self.shared.value.load_full()
    }

    /// Waits for a value newer than the last one waited for. False when the publisher is gone.
    pub async fn changed(&mut self) -> bool {
        self.changed.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readers_see_the_new_value_and_are_told() {
        let publisher = Publisher::new(1);
        let mut reader = publisher.reader();
        assert_eq!(**reader.load(), 1);
        publisher.publish(Arc::new(2));
        assert!(reader.changed().await);
        assert_eq!(**reader.load(), 2);
        drop(publisher);
        assert!(!reader.changed().await);
    }
}
