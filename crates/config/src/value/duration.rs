//! Lengths of time as Istio's config writes them: `1s`, `10ms`, `1m30s`, `0.5s`.
//!
//! In: a text of decimal numbers with units `h m s ms us µs ns`. Out: `std::time::Duration`.
//! Negative lengths are refused: no field of the API has a use for one.

use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// A length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub std::time::Duration);

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is not a duration; write a number with a unit, as in 5s, 250ms or 1m30s")]
pub struct DurationError {
    text: String,
}

impl Duration {
    /// Reads `1s`, `10ms`, `1h5m`.
    ///
    /// # Errors
    /// When the text is not a sequence of decimal numbers with units.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        nanoseconds(text)
            .map(|nanos| Self(std::time::Duration::from_nanos(nanos)))
            .ok_or_else(|| DurationError {
                text: text.to_owned(),
            })
    }

    /// Whether the length is zero.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

/// The sum of all parts; `None` when a part does not parse or the sum does not fit.
fn nanoseconds(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total: f64 = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        total += number * unit(&after[..unit_end])?;
        rest = &after[unit_end..];
    }
    // The largest exact integer range is far above any sensible length (2^53 ns = 104 days is
    // where rounding starts, and no field needs nanoseconds there).
    (total <= u64::MAX as f64).then_some(total.round() as u64)
}

fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    })
}

impl Deref for Duration {
    type Target = std::time::Duration;
    fn deref(&self) -> &std::time::Duration {
        &self.0
    }
}

impl From<std::time::Duration> for Duration {
    fn from(value: std::time::Duration) -> Self {
        Self(value)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(value: Duration) -> Self {
        value.0
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_nanos() == 0 {
            write!(f, "{}s", self.0.as_secs())
        } else {
            write!(f, "{}s", self.0.as_secs_f64())
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Duration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 5s or 250ms")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                Duration::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_and_their_sums_are_read() {
        for (text, millis) in [
            ("1s", 1000),
            ("10ms", 10),
            ("1m30s", 90_000),
            ("0.5s", 500),
            ("1h", 3_600_000),
            ("0", 0),
            ("0s", 0),
            ("1.5h", 5_400_000),
        ] {
            assert_eq!(
                Duration::parse(text).expect(text).as_millis(),
                millis,
                "{text}"
            );
        }
    }

    #[test]
    fn texts_without_a_unit_or_with_a_sign_are_refused() {
        for text in [
            "", "5", "s", "-1s", "1x", "1s2", "1..s", "1 s", "NaNs", "1e3s",
        ] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }
}
