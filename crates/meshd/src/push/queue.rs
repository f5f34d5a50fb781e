//! The slot of a proxy: at most one push waits in it.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::request::PushRequest;

/// Holds the push that a proxy waits for.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    waiting: Mutex<Option<PushRequest>>,
    filled: Notify,
}

impl Slot {
    /// Puts a push in, or merges it with the one that waits.
    pub(crate) fn put(&self, request: PushRequest) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *waiting {
            Some(earlier) => earlier.merge(request),
            None => *waiting = Some(request),
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Waits until there is one. Nothing is taken out: the proxy may have to wait for its turn, and
    /// what comes meanwhile is merged.
    pub(crate) async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            if self.peek() {
                return;
            }
            filled.await;
        }
    }

    /// Takes what waits.
    pub(crate) fn take(&self) -> Option<PushRequest> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn peek(&self) -> bool {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromesh_model::Affected;
    use ferromesh_types::Hostname;
    use std::sync::Arc;
    use tokio::time::Instant;

    fn request(host: &str) -> PushRequest {
        let mut affected = Affected::default();
        affected.routes.add(&Hostname::from(host));
        PushRequest {
            affected: Arc::new(affected),
            since: Instant::now(),
        }
    }

    #[tokio::test]
    async fn two_pushes_that_wait_become_one() {
        let slot = Slot::default();
        let first = request("a");
        let since = first.since;
        slot.put(first);
        slot.put(request("b"));
        slot.filled().await;
        let merged = slot.take().expect("one waits");
        assert_eq!(merged.since, since);
        for host in ["a", "b"] {
            assert!(merged.affected.routes.contains(&Hostname::from(host)));
        }
        assert!(slot.take().is_none());
    }
}
