//! Matching one request header, with Envoy's rules for missing, repeated and inverted headers.
//!
//! Each line of a header that came more than once is a value of its own: one that matches is enough,
//! and the inverse holds when none does.

use ferromesh_types::Str;

use crate::request::{RequestView, any_field};
use crate::string_match::StringMatch;

/// A condition on one header or pseudo header.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// Lower-case name; pseudo headers begin with a colon.
    pub name: Str,
    /// What the value must be.
    pub condition: HeaderCondition,
    /// The opposite counts as a match.
    pub invert: bool,
    /// A missing header counts as an empty value instead of never matching.
    pub missing_is_empty: bool,
}

/// What a header's value must be.
#[derive(Clone, Debug)]
pub enum HeaderCondition {
    /// The header is there (true) or is not (false).
    Present(bool),
    /// A value matches.
    Value(StringMatch),
    /// A value is an integer in `start..end`.
    Range {
        /// First integer that matches.
        start: i64,
        /// First integer after those that match.
        end: i64,
    },
}

impl HeaderMatch {
    /// Whether `request` meets the condition.
    pub fn is_match(&self, request: &impl RequestView) -> bool {
        if let HeaderCondition::Present(wanted) = self.condition {
            let found = any_field(request, &self.name, &mut |_| true);
            let present = found.is_some() || self.missing_is_empty;
            return (present == wanted) != self.invert;
        }
        let mut holds = |text: &str| self.condition.holds(text);
        match any_field(request, &self.name, &mut holds) {
            Some(holds) => holds != self.invert,
            None if self.missing_is_empty => holds("") != self.invert,
            // Without a value nothing matches, not even the inverse.
            None => false,
        }
    }
}

impl HeaderCondition {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Present(wanted) => *wanted,
            Self::Value(matcher) => matcher.is_match(text),
            Self::Range { start, end } => text
                .trim()
                .parse::<i64>()
                .is_ok_and(|number| (*start..*end).contains(&number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::PlainRequest;

    fn matcher(condition: HeaderCondition, invert: bool, missing_is_empty: bool) -> HeaderMatch {
        HeaderMatch {
            name: "x".into(),
            condition,
            invert,
            missing_is_empty,
        }
    }

    fn exact(text: &str) -> HeaderCondition {
        HeaderCondition::Value(StringMatch::Exact(text.to_owned()))
    }

    #[test]
    fn a_missing_header_never_matches_a_value_unless_it_counts_as_empty() {
        let without = PlainRequest::new("h", "/");
        assert!(!matcher(exact("1"), false, false).is_match(&without));
        assert!(!matcher(exact("1"), true, false).is_match(&without));
        assert!(matcher(exact("1"), true, true).is_match(&without));
    }

    #[test]
    fn each_line_is_a_value_of_its_own_but_for_lists_that_proxies_add_to() {
        let twice = |name: &str| {
            let request = PlainRequest::new("h", "/").with_header(name, "1");
            request.with_header(name, "2")
        };
        for (wanted, invert, expected) in [
            ("1", false, true),
            ("2", false, true),
            ("1,2", false, false),
            ("2", true, false),
            ("3", true, true),
        ] {
            let matcher = matcher(exact(wanted), invert, false);
            assert_eq!(matcher.is_match(&twice("x")), expected, "{wanted}");
        }
        let mut list = matcher(exact("1,2"), false, false);
        list.name = "x-forwarded-for".into();
        assert!(list.is_match(&twice("x-forwarded-for")));
    }

    #[test]
    fn presence_can_be_asked_for_and_inverted() {
        let with = PlainRequest::new("h", "/").with_header("x", "1");
        let without = PlainRequest::new("h", "/");
        for (wanted, invert, seen_with, seen_without) in [
            (true, false, true, false),
            (true, true, false, true),
            (false, false, false, true),
        ] {
            let matcher = matcher(HeaderCondition::Present(wanted), invert, false);
            assert_eq!(matcher.is_match(&with), seen_with);
            assert_eq!(matcher.is_match(&without), seen_without);
        }
    }

    #[test]
    fn ranges_hold_their_start_and_not_their_end() {
        let range = matcher(HeaderCondition::Range { start: 1, end: 3 }, false, false);
        for (value, expected) in [("1", true), ("2", true), ("3", false), ("x", false)] {
            let request = PlainRequest::new("h", "/").with_header("x", value);
            assert_eq!(range.is_match(&request), expected, "{value}");
        }
    }
}
