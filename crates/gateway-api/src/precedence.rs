//! Which of several matches counts: the most specific one, whatever the order of the rules.
//!
//! An exact path goes before a prefix, a longer prefix before a shorter one; then one with a
//! method, then more headers, then more query parameters. Regular expressions are tried after all
//! prefixes but `/`, which takes everything. Between equals the older route counts, then the
//! earlier rule.

use std::cmp::Reverse;

use ferromesh_config::StringMatch;
use ferromesh_config::kind::virtual_service::HttpMatchRequest;

/// The place of a condition; smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    path: PathRank,
    length: Reverse<usize>,
    any_method: bool,
    headers: Reverse<usize>,
    query_params: Reverse<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    Exact,
    Prefix,
    Regex,
    Every,
}

impl Rank {
    pub(crate) fn of(condition: &HttpMatchRequest) -> Self {
        let (path, length) = match &condition.uri {
            Some(StringMatch::Exact(path)) => (PathRank::Exact, path.chars().count()),
            Some(StringMatch::Prefix(path)) => (PathRank::Prefix, path.chars().count()),
            Some(StringMatch::Regex(path)) => (PathRank::Regex, path.chars().count()),
            Some(StringMatch::Present) | None => (PathRank::Every, 0),
        };
        Self {
            path,
            length: Reverse(length),
            any_method: condition.method.is_none(),
            headers: Reverse(condition.headers.len()),
            query_params: Reverse(condition.query_params.len()),
        }
    }
}
