//! Edits of path and authority on the way upstream.

use ferromesh_types::Str;
use regex::Regex;

use crate::request::{RequestView, field, path_without_query, query_suffix};
use crate::string_match::{InvalidPattern, search_pattern};

/// An edit of the path; the query is always kept.
#[derive(Clone, Debug)]
pub enum PathRewrite {
    /// The part of the path that the route matched is replaced.
    Prefix(Str),
    /// Every match of an expression in the path is replaced.
    Substitute(Substitution),
}

/// Replacing every match of an expression; `\1` refers to a group.
#[derive(Clone, Debug)]
pub struct Substitution {
    pattern: Regex,
    /// In the syntax of the `regex` crate.
    replacement: String,
}

impl Substitution {
    /// Compiles the expression. `replacement` uses RE2's `\0` … `\9` and `\\`.
    pub fn new(pattern: &str, replacement: &str) -> Result<Self, InvalidPattern> {
        Ok(Self {
            pattern: search_pattern(pattern)?,
            replacement: from_re2(replacement),
        })
    }

    /// The text with every match replaced.
    pub fn apply(&self, text: &str) -> String {
        self.pattern
            .replace_all(text, self.replacement.as_str())
            .into_owned()
    }
}

fn from_re2(replacement: &str) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut chars = replacement.chars();
    while let Some(character) = chars.next() {
        match character {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

impl PathRewrite {
    /// The new path with the old query. `matched` is how many bytes the route matched.
    pub fn apply(&self, path: &str, matched: usize) -> String {
        let bare = path_without_query(path);
        let query = query_suffix(path);
        match self {
            Self::Prefix(prefix) => format!("{prefix}{}{query}", &bare[matched.min(bare.len())..]),
            Self::Substitute(substitution) => format!("{}{query}", substitution.apply(bare)),
        }
    }
}

/// An edit of the authority.
#[derive(Clone, Debug)]
pub enum HostRewrite {
    /// This authority.
    Literal(Str),
    /// The host name of the chosen endpoint.
    Endpoint,
    /// The value of a request header.
    FromHeader(Str),
    /// The path with every match of an expression replaced.
    FromPath(Substitution),
}

impl HostRewrite {
    /// The new authority, or `None` when it stays as it is. `endpoint` is the endpoint's host name.
    pub fn apply(&self, request: &impl RequestView, endpoint: Option<&str>) -> Option<String> {
        match self {
            Self::Literal(host) => Some(host.as_str().to_owned()),
            Self::Endpoint => endpoint
                .filter(|host| !host.is_empty())
                .map(ToOwned::to_owned),
            Self::FromHeader(name) => field(request, name)
                .filter(|value| !value.is_empty())
                .map(std::borrow::Cow::into_owned),
            Self::FromPath(substitution) => {
                Some(substitution.apply(path_without_query(request.path())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_survives_every_rewrite() {
        let prefix = PathRewrite::Prefix("/new".into());
        assert_eq!(prefix.apply("/old/x?q=/old", 4), "/new/x?q=/old");
        let substitution = Substitution::new("^/v([0-9]+)/(.*)$", "/$\\2/\\1").expect("valid");
        let regex = PathRewrite::Substitute(substitution);
        assert_eq!(regex.apply("/v2/users?a=b", 0), "/$users/2?a=b");
    }
}
