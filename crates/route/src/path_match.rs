//! Matching the path of a request; query and fragment are never looked at.

use crate::request::path_without_query;
use crate::string_match::Pattern;

/// How the path is compared.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// The beginning, in the middle of a segment too.
    Prefix(String),
    /// Whole segments at the beginning; the text has no slash at its end.
    SegmentPrefix(String),
    /// The whole path against an expression.
    Regex(Pattern),
    /// Any `CONNECT` request.
    Connect,
}

impl PathMatch {
    /// How many bytes of `path` matched, or `None`. `path` may carry a query.
    pub fn matched_length(&self, path: &str, case_sensitive: bool) -> Option<usize> {
        let path = path_without_query(path);
        match self {
            Self::Exact(wanted) => (path.len() == wanted.len()
                && begins(path, wanted, case_sensitive))
            .then_some(path.len()),
            Self::Prefix(wanted) => begins(path, wanted, case_sensitive).then_some(wanted.len()),
            Self::SegmentPrefix(wanted) => {
                let bounded = matches!(path.as_bytes().get(wanted.len()), None | Some(b'/'));
                (begins(path, wanted, case_sensitive) && bounded).then_some(wanted.len())
            }
            Self::Regex(pattern) => pattern.is_match(path).then_some(path.len()),
            Self::Connect => Some(0),
        }
    }

    /// Whether every request matches.
    pub fn is_catch_all(&self) -> bool {
        matches!(self, Self::Prefix(text) if text.is_empty() || text == "/")
    }
}

fn begins(path: &str, wanted: &str, case_sensitive: bool) -> bool {
    let Some(head) = path.as_bytes().get(..wanted.len()) else {
        return false;
    };
    if case_sensitive {
        head == wanted.as_bytes()
    } else {
        head.eq_ignore_ascii_case(wanted.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_path_match_has_its_own_edge() {
        let exact = PathMatch::Exact("/a".to_owned());
        let prefix = PathMatch::Prefix("/a".to_owned());
        let segments = PathMatch::SegmentPrefix("/a".to_owned());
        let regex = PathMatch::Regex(Pattern::new("/a.*").expect("valid"));
        for (path, by_exact, by_prefix, by_segments, by_regex) in [
            ("/a", true, true, true, true),
            ("/a?q=1", true, true, true, true),
            ("/a/b", false, true, true, true),
            ("/ab", false, true, false, true),
            ("/A", false, false, false, false),
            ("/", false, false, false, false),
        ] {
            assert_eq!(
                exact.matched_length(path, true).is_some(),
                by_exact,
                "{path}"
            );
            assert_eq!(
                prefix.matched_length(path, true).is_some(),
                by_prefix,
                "{path}"
            );
            let found = segments.matched_length(path, true).is_some();
            assert_eq!(found, by_segments, "{path}");
            assert_eq!(
                regex.matched_length(path, true).is_some(),
                by_regex,
                "{path}"
            );
        }
        assert_eq!(exact.matched_length("/A", false), Some(2));
    }
}
