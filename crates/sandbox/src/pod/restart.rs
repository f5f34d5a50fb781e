//! When a container that ended is started again.
//!
//! The first restart is immediate, then the wait doubles from [`FIRST_WAIT`] to [`LONGEST_WAIT`];
//! a container that has run for [`FORGET_AFTER`] starts over. Kubernetes waits longer (10 s to
//! 5 min): its nodes are shared, this machine is one person's.

use std::time::Duration;

use crate::kubernetes::RestartPolicy;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const FORGET_AFTER: Duration = Duration::from_mins(1);

/// The waits of one container.
#[derive(Clone, Debug, Default)]
pub(super) struct RestartWaits {
    in_a_row: u32,
}

impl RestartWaits {
    /// The wait before the next start, after the container has run for `ran`.
    pub(super) fn next(&mut self, ran: Duration) -> Duration {
        if ran >= FORGET_AFTER {
            self.in_a_row = 0;
        }
        let nth = self.in_a_row;
        self.in_a_row = nth.saturating_add(1);
        match nth.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_WAIT
                .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
                .min(LONGEST_WAIT),
        }
    }
}

/// Whether a container that ended with `exit_code` is started again.
pub(super) fn starts_again(policy: RestartPolicy, exit_code: i32) -> bool {
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => exit_code != 0,
        RestartPolicy::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_a_long_run_starts_over() {
        let mut waits = RestartWaits::default();
        let short = Duration::from_secs(1);
        let first: Vec<_> = (0..4).map(|_| waits.next(short).as_millis()).collect();
        assert_eq!(first, [0, 500, 1000, 2000]);
        for _ in 0..64 {
            assert!(waits.next(short) <= LONGEST_WAIT);
        }
        assert_eq!(waits.next(FORGET_AFTER), Duration::ZERO);
    }

    #[test]
    fn the_policy_decides_by_the_exit_code() {
        assert!(starts_again(RestartPolicy::Always, 0));
        assert!(starts_again(RestartPolicy::OnFailure, 1));
        assert!(!starts_again(RestartPolicy::OnFailure, 0));
        assert!(!starts_again(RestartPolicy::Never, 1));
    }
}
