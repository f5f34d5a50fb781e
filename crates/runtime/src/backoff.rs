//! Exponential backoff with full jitter: the wait before try n is random in `0..=min(cap, base·2ⁿ)`.
//!
//! Full jitter spreads the reconnects of a thousand proxies after a control plane restart; equal
//! or capped jitter makes them return in waves.

use std::time::Duration;

/// The waits of one retried operation.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    tries: u32,
}

impl Backoff {
    /// Starts at `base` and never waits longer than `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            tries: 0,
        }
    }

    /// The upper bound of the next wait.
    pub fn ceiling(&self) -> Duration {
        self.base
            .saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX))
            .min(self.cap)
    }

    /// The next wait; `unit` is a random number in `0.0..1.0`.
    pub fn next_wait(&mut self, unit: f64) -> Duration {
        let wait = self.ceiling().mul_f64(unit.clamp(0.0, 1.0));
        self.tries = self.tries.saturating_add(1);
        wait
    }

    /// The next wait with the process's own random source.
    pub fn next_random(&mut self) -> Duration {
        self.next_wait(fastrand::f64())
    }

    /// Begins again at the base: call it after a success.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_over_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        let waits: Vec<_> = (0..4).map(|_| backoff.next_wait(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 350, 350]);
        backoff.reset();
        assert_eq!(backoff.next_wait(0.5).as_millis(), 50);
    }

    #[test]
    fn many_tries_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for _ in 0..100 {
            assert!(backoff.next_wait(1.0) <= Duration::from_secs(30));
        }
    }
}
