//! Service host names, lower-cased, possibly with a leading wildcard label.
//!
//! Matching follows Istio: `*` matches everything, `*.example.com` matches every name that ends in
//! `.example.com`. Expansion of short names lives here too, since every kind needs the same rule.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Namespace, Str};

/// A host name as config writes it: a full name, a short name, or a wildcard.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Hostname(Str);

impl Hostname {
    /// The name as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shared text.
    pub fn text(&self) -> &Str {
        &self.0
    }

    /// Whether the name starts with `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// Whether there is a name that both `self` and `other` stand for.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.is_wildcard(), other.is_wildcard()) {
            (false, false) => self == other,
            (true, false) => other.0.ends_with(&self.0[1..]),
            (false, true) => self.0.ends_with(&other.0[1..]),
            (true, true) => {
                let (a, b) = (&self.0[1..], &other.0[1..]);
                a.ends_with(b) || b.ends_with(a)
            }
        }
    }

    /// Whether every name that `self` stands for is one that `other` stands for.
    pub fn is_covered_by(&self, other: &Self) -> bool {
        match (self.is_wildcard(), other.is_wildcard()) {
            (_, false) => self == other,
            (false, true) => self.0.ends_with(&other.0[1..]),
            (true, true) => self.0[1..].ends_with(&other.0[1..]),
        }
    }

    /// The full name: a name without a dot belongs to `namespace` of the cluster `domain`
    /// (`cluster.local`), as in `reviews` → `reviews.default.svc.cluster.local`. Others stay.
    pub fn expand(&self, namespace: &Namespace, domain: &str) -> Self {
        if self.0.is_empty() || self.0.contains('.') || self.is_wildcard() {
            return self.clone();
        }
        Self::from(format!("{}.{namespace}.svc.{domain}", self.0))
    }
}

impl From<&str> for Hostname {
    fn from(text: &str) -> Self {
        Self(if text.bytes().any(|b| b.is_ascii_uppercase()) {
            text.to_ascii_lowercase().into()
        } else {
            text.into()
        })
    }
}

impl From<String> for Hostname {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Str> for Hostname {
    fn from(text: Str) -> Self {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Self::from(text.as_str())
        } else {
            Self(text)
        }
    }
}

impl std::borrow::Borrow<str> for Hostname {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Hostname {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Hostname {
        Hostname::from(text)
    }

    #[test]
    fn a_short_name_expands_into_the_namespace_of_its_object() {
        let full = host("reviews").expand(&Namespace::from("prod"), "cluster.local");
        assert_eq!(full.as_str(), "reviews.prod.svc.cluster.local");
        assert_eq!(
            host("a.b")
                .expand(&Namespace::from("prod"), "cluster.local")
                .as_str(),
            "a.b"
        );
        assert_eq!(
            host("*")
                .expand(&Namespace::from("prod"), "cluster.local")
                .as_str(),
            "*"
        );
    }

    #[test]
    fn a_wildcard_covers_the_names_below_it_and_not_its_own_suffix() {
        assert!(host("a.example.com").is_covered_by(&host("*.example.com")));
        assert!(!host("example.com").is_covered_by(&host("*.example.com")));
        assert!(host("*.b.example.com").is_covered_by(&host("*.example.com")));
        assert!(host("anything").is_covered_by(&host("*")));
        assert!(!host("*").is_covered_by(&host("a.b")));
    }

    #[test]
    fn overlap_is_symmetric() {
        for (a, b, expected) in [
            ("*.com", "a.com", true),
            ("*.a.com", "*.com", true),
            ("*.a.com", "*.b.com", false),
            ("a.com", "a.com", true),
        ] {
            assert_eq!(host(a).overlaps(&host(b)), expected, "{a} {b}");
            assert_eq!(host(b).overlaps(&host(a)), expected, "{b} {a}");
        }
    }

    #[test]
    fn names_are_case_insensitive() {
        assert_eq!(host("A.Example.COM"), host("a.example.com"));
    }
}
