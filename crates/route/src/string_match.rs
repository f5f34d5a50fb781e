//! Matching a string: exact, prefix, suffix, contains, regular expression; with or without case.

use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// A regular expression that does not compile.
#[derive(Debug, Error, Clone)]
#[error("regular expression {pattern:?} is not valid: {reason}")]
pub struct InvalidPattern {
    /// The expression.
    pub pattern: String,
    /// What the compiler said, on one line.
    pub reason: String,
}

/// A regular expression that must match the whole text, as RE2 full match in Envoy.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// Compiled size limit of one expression: far above what configs hold, far below what hurts.
const SIZE_LIMIT: usize = 4 << 20;

impl Pattern {
    /// Compiles `pattern` for whole-text matching.
    pub fn new(pattern: &str) -> Result<Self, InvalidPattern> {
        compile(&format!("^(?:{pattern})$"), pattern).map(Self)
    }

    /// Whether the whole of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Compiles an unanchored expression, as substitutions use it.
pub(crate) fn search_pattern(pattern: &str) -> Result<Regex, InvalidPattern> {
    compile(pattern, pattern)
}

fn compile(anchored: &str, pattern: &str) -> Result<Regex, InvalidPattern> {
    RegexBuilder::new(anchored)
        .size_limit(SIZE_LIMIT)
        .dot_matches_new_line(true)
        .build()
        .map_err(|error| InvalidPattern {
            pattern: pattern.to_owned(),
            reason: error.to_string().replace('\n', " "),
        })
}

/// How a string is compared.
#[derive(Clone, Debug)]
pub enum StringMatch {
    /// The whole string.
    Exact(String),
    /// The beginning.
    Prefix(String),
    /// The end.
    Suffix(String),
    /// Anywhere.
    Contains(String),
    /// The whole string against an expression.
    Regex(Pattern),
    /// As the inner matcher, but ASCII letters of either case are equal. The inner text is lower case.
    IgnoreCase(Box<StringMatch>),
}

impl StringMatch {
    /// Makes a matcher that ignores case. Regular expressions are not affected, as in Envoy.
    pub fn ignoring_case(self) -> Self {
        let inner = match self {
            Self::Exact(text) => Self::Exact(text.to_ascii_lowercase()),
            Self::Prefix(text) => Self::Prefix(text.to_ascii_lowercase()),
            Self::Suffix(text) => Self::Suffix(text.to_ascii_lowercase()),
            Self::Contains(text) => Self::Contains(text.to_ascii_lowercase()),
            other @ (Self::Regex(_) | Self::IgnoreCase(_)) => return other,
        };
        Self::IgnoreCase(Box::new(inner))
    }

    /// Whether `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => text == wanted,
            Self::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Self::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Self::Contains(wanted) => text.contains(wanted.as_str()),
            Self::Regex(pattern) => pattern.is_match(text),
            Self::IgnoreCase(inner) => inner.is_match_in_any_case(text),
        }
    }

    /// Whether `text` matches when case is ignored; our own text is lower case. Nothing is copied:
    /// this runs per request.
    fn is_match_in_any_case(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let same = |part: Option<&[u8]>, wanted: &String| {
            part.is_some_and(|part| part.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        match self {
            Self::Exact(wanted) => same(Some(bytes), wanted),
            Self::Prefix(wanted) => same(bytes.get(..wanted.len()), wanted),
            Self::Suffix(wanted) => {
                let start = bytes.len().checked_sub(wanted.len());
                same(start.map(|start| &bytes[start..]), wanted)
            }
            Self::Contains(wanted) => {
                wanted.is_empty()
                    || bytes
                        .windows(wanted.len())
                        .any(|part| same(Some(part), wanted))
            }
            Self::Regex(_) | Self::IgnoreCase(_) => self.is_match(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_must_match_the_whole_text() {
        let pattern = Pattern::new("a|b").expect("valid");
        assert!(pattern.is_match("a"));
        assert!(!pattern.is_match("ab"));
        assert!(Pattern::new("(").is_err());
    }

    #[test]
    fn case_is_ignored_only_on_request() {
        let exact = StringMatch::Exact("Abc".to_owned());
        assert!(!exact.is_match("abc"));
        assert!(exact.ignoring_case().is_match("aBC"));
        let cases = [
            (StringMatch::Prefix("aB".to_owned()), "Abc", "ba"),
            (StringMatch::Suffix("Bc".to_owned()), "abC", "c"),
            (StringMatch::Contains("B".to_owned()), "abc", "ac"),
            (StringMatch::Contains(String::new()), "", "-"),
        ];
        for (matcher, matching, other) in cases {
            let matcher = matcher.ignoring_case();
            assert!(matcher.is_match(matching), "{matcher:?}");
            assert_eq!(matcher.is_match(other), other == "-", "{matcher:?}");
        }
    }
}
