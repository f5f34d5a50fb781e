//! Waiting for quiet: changes that come in a burst become one action.
//!
//! Pure state over instants given by the caller, so that tests need no clock. The action is due
//! when nothing came for `quiet`, or `max` after the first change, whichever is sooner.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebounceSettings {
    /// Without another change for this long, act.
    pub quiet: Duration,
    /// Act this long after the first change even if more keep coming.
    pub max: Duration,
}

/// The state of one debounced stream of changes.
#[derive(Clone, Debug)]
pub struct Debounce {
    settings: DebounceSettings,
    pending: Option<Pending>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    first: Instant,
    last: Instant,
}

impl Debounce {
    /// Nothing pending.
    pub fn new(settings: DebounceSettings) -> Self {
        Self {
            settings,
            pending: None,
        }
    }

    /// A change came at `now`.
    pub fn touch(&mut self, now: Instant) {
        let first = self.pending.map_or(now, |pending| pending.first);
        self.pending = Some(Pending { first, last: now });
    }

    /// When to act; `None` while nothing is pending.
    pub fn due(&self) -> Option<Instant> {
        let Pending { first, last } = self.pending?;
        Some((last + self.settings.quiet).min(first + self.settings.max))
    }

    /// True once the action is due; the pending changes are then taken.
    pub fn take(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        if due {
            self.pending = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: DebounceSettings = DebounceSettings {
        quiet: Duration::from_millis(100),
        max: Duration::from_millis(250),
    };

    #[test]
    fn a_single_change_is_due_after_the_quiet_time() {
        let start = Instant::now();
        let mut debounce = Debounce::new(SETTINGS);
        assert_eq!(debounce.due(), None);
        debounce.touch(start);
        assert_eq!(debounce.due(), Some(start + SETTINGS.quiet));
        assert!(!debounce.take(start + Duration::from_millis(99)));
        assert!(debounce.take(start + SETTINGS.quiet));
        assert_eq!(debounce.due(), None);
    }

    #[test]
    fn a_steady_stream_is_due_at_the_maximum() {
        let start = Instant::now();
        let mut debounce = Debounce::new(SETTINGS);
        for step in 0..5 {
            debounce.touch(start + Duration::from_millis(50) * step);
        }
        assert_eq!(debounce.due(), Some(start + SETTINGS.max));
    }
}
