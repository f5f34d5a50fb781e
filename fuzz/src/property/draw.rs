//! Random choices for JSON values.

use serde_json::{Map, Value};

use crate::Random;

/// Draws values out of a generator.
#[derive(Debug)]
pub(super) struct Draw(Random);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// True so many times out of a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.0.below(100) < percent
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.below(all.len())]
    }

    /// One of the texts, as a value.
    pub(super) fn text(&mut self, all: &[&str]) -> Value {
        self.pick(all).into()
    }

    /// One of the numbers, as a value.
    pub(super) fn number(&mut self, all: &[u64]) -> Value {
        self.pick(all).into()
    }

    /// Up to `most` values, none left out; at least one.
    pub(super) fn list(&mut self, most: usize, mut each: impl FnMut(&mut Self) -> Value) -> Value {
        let count = 1 + self.below(most);
        (0..count).map(|_| each(self)).collect()
    }

    /// A duration: mostly usual ones, some at the edges.
    pub(super) fn time(&mut self) -> Value {
        let all = [
            "1s", "1ms", "500ms", "5s", "30s", "1m30s", "1h", "10m", "0.25s", "999999h", "0s",
        ];
        self.text(&all)
    }

    /// A percentage.
    pub(super) fn percent(&mut self) -> Value {
        let all = [0.0, 0.000_1, 0.1, 1.0, 33.333_333, 50.0, 99.99, 100.0];
        Value::from(self.pick(&all))
    }
}

/// An object whose members are there or not.
#[derive(Debug, Default)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the member so many times out of a hundred.
    pub(super) fn maybe(
        self,
        draw: &mut Draw,
        percent: usize,
        name: &str,
        value: impl FnOnce(&mut Draw) -> Value,
    ) -> Self {
        if draw.chance(percent) {
            let value = value(draw);
            return self.with(name, value);
        }
        self
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Value::Object(members.0)
    }
}
