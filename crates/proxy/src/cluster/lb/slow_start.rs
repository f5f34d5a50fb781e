//! Slow start: a new endpoint gets its share of the traffic little by little.

use std::time::Duration;

/// How.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    /// How long it lasts.
    pub window: Duration,
    /// 1 grows evenly, more is faster at first.
    pub aggression: f64,
    /// The least share of its weight that an endpoint gets, 0 to 1.
    pub least: f64,
}

impl SlowStart {
    /// When an endpoint that takes traffic since `since` gets its whole share; milliseconds.
    pub(crate) fn ends(&self, since: u64) -> u64 {
        since + self.window.as_millis() as u64
    }

    /// The share of its weight that an endpoint gets at `now`.
    pub(crate) fn share(&self, since: u64, now: u64) -> f64 {
        let window = self.window.as_millis() as u64;
        let age = now.saturating_sub(since).max(1);
        if age >= window {
            return 1.0;
        }
        let grown = (age as f64 / window as f64).powf(1.0 / self.aggression.max(f64::EPSILON));
        grown.clamp(self.least, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_from_the_least_to_the_whole() {
        let even = SlowStart {
            window: Duration::from_secs(10),
            aggression: 1.0,
            least: 0.1,
        };
        let share = |age: u64| even.share(1000, 1000 + age);
        assert!((share(10) - 0.1).abs() < 1e-9);
        assert!((share(5000) - 0.5).abs() < 1e-9);
        assert!((share(10_000) - 1.0).abs() < 1e-9);
        let eager = SlowStart {
            aggression: 2.0,
            ..even
        };
        assert!((eager.share(0, 2500) - 0.5).abs() < 1e-9);
    }
}
