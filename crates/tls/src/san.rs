//! Patterns over the subject alternative names of a peer certificate (Envoy
//! `SubjectAltNameMatcher`). A certificate passes when any name matches any pattern.

use std::fmt;
use std::sync::Arc;

use ferromesh_types::Str;

use crate::peer::PeerCertificate;

/// Which alternative names a pattern looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SanKind {
    /// URI names (SPIFFE ids are these).
    Uri,
    /// DNS names.
    Dns,
    /// Email addresses.
    Email,
    /// IP addresses in text form.
    Ip,
    /// Every kind.
    Any,
}

/// What a name must look like.
#[derive(Clone)]
pub enum SanPattern {
    /// The whole name; for DNS names a certificate's `*.` label stands for one label.
    Exact(Str),
    /// How it begins.
    Prefix(Str),
    /// How it ends.
    Suffix(Str),
    /// Part of it.
    Contains(Str),
    /// Whatever this function accepts, such as a regular expression.
    Test(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl fmt::Debug for SanPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "Exact({text:?})"),
            Self::Prefix(text) => write!(f, "Prefix({text:?})"),
            Self::Suffix(text) => write!(f, "Suffix({text:?})"),
            Self::Contains(text) => write!(f, "Contains({text:?})"),
            Self::Test(_) => f.write_str("Test"),
        }
    }
}

/// One pattern for one kind of name.
#[derive(Clone, Debug)]
pub struct SanMatcher {
    /// Which names.
    pub kind: SanKind,
    /// What they must look like.
    pub pattern: SanPattern,
}

impl SanMatcher {
    /// Whether any name of the certificate matches.
    pub fn matches(&self, peer: &PeerCertificate) -> bool {
        let uri = || peer.uris().any(|name| self.pattern.matches(name));
        let dns = || {
            peer.dns_names()
                .any(|name| self.pattern.matches(name) || self.pattern.matches_wildcard(name))
        };
        let email = || peer.emails().any(|name| self.pattern.matches(name));
        let ip = || {
            peer.ip_addresses()
                .any(|address| self.pattern.matches(&address.to_string()))
        };
        match self.kind {
            SanKind::Uri => uri(),
            SanKind::Dns => dns(),
            SanKind::Email => email(),
            SanKind::Ip => ip(),
            SanKind::Any => uri() || dns() || email() || ip(),
        }
    }
}

impl SanPattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => name == text.as_str(),
            Self::Prefix(text) => name.starts_with(text.as_str()),
            Self::Suffix(text) => name.ends_with(text.as_str()),
            Self::Contains(text) => name.contains(text.as_str()),
            Self::Test(test) => test(name),
        }
    }

    fn matches_wildcard(&self, certificate_name: &str) -> bool {
        let (Self::Exact(wanted), Some(domain)) = (self, certificate_name.strip_prefix("*."))
        else {
            return false;
        };
        wanted
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain))
    }
}
