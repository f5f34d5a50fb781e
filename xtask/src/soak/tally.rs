//! Counting what one kind of traffic did.

use std::collections::BTreeMap;

/// Exchanges that worked, and those that did not, with reasons.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub done: u64,
    pub failed: u64,
    reasons: BTreeMap<String, u64>,
}

/// Different reasons that are kept.
const REASONS: usize = 6;

impl Tally {
    pub fn count(&mut self, result: anyhow::Result<()>) {
        let Err(error) = result else {
            self.done += 1;
            return;
        };
        self.failed += 1;
        let reason = format!("{error:#}");
        if self.reasons.len() < REASONS || self.reasons.contains_key(&reason) {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// The reasons with their counts, in one line.
    pub fn reasons(&self) -> String {
        let each = |(reason, count): (&String, &u64)| format!("{count} × {reason}");
        self.reasons.iter().map(each).collect::<Vec<_>>().join("; ")
    }
}
