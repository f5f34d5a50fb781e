//! A limit of the connections of a filter chain at a time, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::stats::ConnectionLimitStats;

/// The limit.
#[derive(Debug)]
pub struct ConnectionLimit {
    /// How many connections.
    pub most: u64,
    /// How long a connection above the limit is kept waiting before it is closed.
    pub delay: Duration,
    /// Its numbers.
    pub stats: ConnectionLimitStats,
    open: AtomicU64,
}

/// A connection's place below the limit; given back when dropped.
#[derive(Debug)]
pub struct ConnectionSlot(Arc<ConnectionLimit>);

impl ConnectionLimit {
    /// A limit that nobody has a place of yet.
    pub fn new(most: u64, delay: Duration, stats: ConnectionLimitStats) -> Self {
        Self {
            most,
            delay,
            stats,
            open: AtomicU64::new(0),
        }
    }

    /// Takes a place, if one is free.
    pub fn take(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let taken = self
            .open
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < self.most).then_some(open + 1)
            });
        if taken.is_err() {
            self.stats.limited_connections().inc();
            return None;
        }
        self.stats.active_connections().inc();
        Some(ConnectionSlot(Arc::clone(self)))
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.stats.active_connections().dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Stats;

    #[test]
    fn a_place_is_free_again_when_its_holder_is_gone() {
        let stats = ConnectionLimitStats::new(&Stats::new(1), "connection_limit.t.");
        let limit = Arc::new(ConnectionLimit::new(1, Duration::ZERO, stats));
        let first = limit.take();
        assert!(first.is_some());
        assert!(limit.take().is_none());
        drop(first);
        assert!(limit.take().is_some());
        assert_eq!(limit.stats.limited_connections().value(), 1);
    }
}
