//! Clients that open streams only to reset them ("rapid reset", CVE-2023-44487): each costs the
//! client two small frames, and the proxy a request.

use std::cell::Cell;
use std::time::Duration;

/// A stream that its client resets sooner than this was not meant to be answered. Envoy's
/// `overload.premature_reset_min_stream_lifetime_seconds`.
pub(super) const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Streams that are looked at before a client is judged. Envoy's
/// `overload.premature_reset_total_stream_count`.
const ENOUGH: u32 = 500;

/// What became of a connection's streams.
#[derive(Debug, Default)]
pub(super) struct Resets {
    ended: Cell<u32>,
    premature: Cell<u32>,
}

impl Resets {
    /// A stream ended.
    pub(super) fn ended(&self, premature: bool) {
        self.ended.set(self.ended.get().saturating_add(1));
        if premature {
            self.premature.set(self.premature.get().saturating_add(1));
        }
    }

    /// Whether half of the streams were reset too early, or will have been at the end of the
    /// first [`ENOUGH`] whatever comes.
    pub(super) fn are_too_many(&self) -> bool {
        self.premature.get() * 2 >= self.ended.get().max(ENOUGH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_resets_every_stream_is_found_at_half_of_enough() {
        let resets = Resets::default();
        let found = (0..ENOUGH).find(|_| {
            resets.ended(true);
            resets.are_too_many()
        });
        assert_eq!(found, Some(ENOUGH / 2 - 1));
    }

    #[test]
    fn a_client_that_resets_some_streams_is_left_alone() {
        let resets = Resets::default();
        for number in 0..10_000 {
            resets.ended(number % 5 < 2);
            assert!(!resets.are_too_many());
        }
    }
}
