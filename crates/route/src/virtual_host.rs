//! Which virtual host serves an authority: exact, then the longest `*.suffix`, then the longest
//! `prefix.*`, then `*`. Case never matters.

use std::collections::{BTreeMap, HashMap};

use ferromesh_types::Str;
use thiserror::Error;

/// A domain that cannot be used.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DomainError {
    /// Two virtual hosts claim it.
    #[error("domain {0:?} appears twice; a domain may be named only once in a route configuration")]
    Duplicate(String),
    /// A star in the middle, or nothing at all.
    #[error("domain {0:?} is not valid; use a name, `*.suffix`, `prefix.*` or `*`")]
    Invalid(String),
}

/// Lookup of a virtual host by authority.
#[derive(Clone, Debug, Default)]
pub struct DomainIndex {
    exact: HashMap<Str, u32>,
    /// By length of the text without its star; looked up from the longest.
    suffixes: BTreeMap<usize, HashMap<Str, u32>>,
    prefixes: BTreeMap<usize, HashMap<Str, u32>>,
    any: Option<u32>,
}

impl DomainIndex {
    /// Adds a domain of virtual host `host`.
    pub fn insert(&mut self, domain: &str, host: u32) -> Result<(), DomainError> {
        let lower = domain.to_ascii_lowercase();
        let invalid = || DomainError::Invalid(domain.to_owned());
        let previous = if lower == "*" {
            self.any.replace(host)
        } else if let Some(suffix) = lower.strip_prefix('*') {
            insert_by_length(&mut self.suffixes, suffix, host, invalid)?
        } else if let Some(prefix) = lower.strip_suffix('*') {
            insert_by_length(&mut self.prefixes, prefix, host, invalid)?
        } else if lower.is_empty() || lower.contains('*') {
            return Err(invalid());
        } else {
            self.exact.insert(lower.as_str().into(), host)
        };
        match previous {
            Some(_) => Err(DomainError::Duplicate(domain.to_owned())),
            None => Ok(()),
        }
    }

    /// The virtual host for `authority`.
    pub fn find(&self, authority: &str, ignore_port: bool) -> Option<u32> {
        if self.exact.is_empty() && self.suffixes.is_empty() && self.prefixes.is_empty() {
            return self.any;
        }
        let host = if ignore_port {
            without_port(authority)
        } else {
            authority
        };
        // Lower case already in nearly every request: then nothing is copied.
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.find_lower(&host.to_ascii_lowercase())
        } else {
            self.find_lower(host)
        }
    }

    fn find_lower(&self, host: &str) -> Option<u32> {
        if let Some(found) = self.exact.get(host) {
            return Some(*found);
        }
        let shorter = |map: &'_ BTreeMap<usize, HashMap<Str, u32>>, suffix: bool| {
            map.range(..host.len()).rev().find_map(|(length, names)| {
                let part = if suffix {
                    host.get(host.len() - length..)
                } else {
                    host.get(..*length)
                };
                names.get(part?).copied()
            })
        };
        shorter(&self.suffixes, true)
            .or_else(|| shorter(&self.prefixes, false))
            .or(self.any)
    }
}

fn insert_by_length(
    map: &mut BTreeMap<usize, HashMap<Str, u32>>,
    text: &str,
    host: u32,
    invalid: impl Fn() -> DomainError,
) -> Result<Option<u32>, DomainError> {
    if text.is_empty() || text.contains('*') {
        return Err(invalid());
    }
    let names = map.entry(text.len()).or_default();
    Ok(names.insert(text.into(), host))
}

/// The authority without its port; brackets of IPv6 addresses stay.
pub fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        // A colon inside brackets, or one of several without brackets, is part of an address.
        Some(at) if !authority[at..].contains(']') => {
            let host = &authority[..at];
            let digits = authority[at + 1..]
                .bytes()
                .all(|byte| byte.is_ascii_digit());
            let bare_ipv6 = host.contains(':') && !host.ends_with(']');
            if digits && !bare_ipv6 {
                host
            } else {
                authority
            }
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_beats_suffix_beats_prefix_beats_any() {
        let mut index = DomainIndex::default();
        for (number, domain) in ["a.example", "*.example", "*.b.example", "a.*", "*"]
            .iter()
            .enumerate()
        {
            index.insert(domain, number as u32).expect("valid");
        }
        for (authority, expected) in [
            ("A.Example", 0),
            ("a.example:8080", 0),
            ("c.example", 1),
            ("x.b.example", 2),
            ("b.example", 1),
            ("a.org", 3),
            (".example", 4),
            ("[::1]:80", 4),
            ("", 4),
        ] {
            assert_eq!(index.find(authority, true), Some(expected), "{authority}");
        }
        assert_eq!(index.find("a.example:8080", false), Some(3));
        assert_eq!(
            index.insert("*", 9),
            Err(DomainError::Duplicate("*".to_owned()))
        );
        assert!(index.insert("a*b", 9).is_err());
    }

    #[test]
    fn ports_are_told_from_addresses() {
        for (authority, host) in [
            ("a:80", "a"),
            ("a", "a"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("a:b", "a:b"),
        ] {
            assert_eq!(without_port(authority), host);
        }
    }
}
