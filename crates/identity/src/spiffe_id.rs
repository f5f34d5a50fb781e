//! SPIFFE IDs, with the workload form of Istio: `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`.

use std::fmt;
use std::str::FromStr;

use ferromesh_types::{Namespace, Str};
use thiserror::Error;

use crate::trust_domain::{TrustDomain, TrustDomainError};

const SCHEME: &str = "spiffe://";

/// Longest ID that implementations must accept (SPIFFE-ID 2.3).
const MAX_LENGTH: usize = 2048;

/// A SPIFFE ID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: Str,
    trust_domain: TrustDomain,
}

/// A text that is no SPIFFE ID.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SpiffeIdError {
    /// Another kind of URI.
    #[error("{0:?} is not a SPIFFE ID: it must begin with spiffe://")]
    Scheme(String),
    /// A wrong trust domain.
    #[error(transparent)]
    TrustDomain(#[from] TrustDomainError),
    /// A wrong path.
    #[error("{id:?} is not a SPIFFE ID: {reason}")]
    Path {
        /// The text.
        id: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl SpiffeId {
    /// The ID of a workload that runs as `account`.
    pub fn of_service_account(
        trust_domain: &TrustDomain,
        namespace: &Namespace,
        account: &str,
    ) -> Result<Self, SpiffeIdError> {
        format!("{SCHEME}{trust_domain}/ns/{namespace}/sa/{account}").parse()
    }

    /// The whole ID.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Its path with the first slash; empty for the ID of a trust domain itself.
    pub fn path(&self) -> &str {
        &self.text[SCHEME.len() + self.trust_domain.as_str().len()..]
    }

    /// Namespace and service account, when the path has Istio's form.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        let mut segments = self.path().strip_prefix('/')?.split('/');
        match (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) {
            (Some("ns"), Some(namespace), Some("sa"), Some(account), None) => {
                Some((namespace, account))
            }
            _ => None,
        }
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| SpiffeIdError::Scheme(text.to_owned()))?;
        let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let trust_domain = domain.parse()?;
        if let Some(reason) = path_problem(text, path) {
            return Err(SpiffeIdError::Path {
                id: text.to_owned(),
                reason,
            });
        }
        Ok(Self {
            text: text.into(),
            trust_domain,
        })
    }
}

fn path_problem(text: &str, path: &str) -> Option<&'static str> {
    if text.len() > MAX_LENGTH {
        return Some("it is longer than 2048 bytes");
    }
    // A path that is there begins with a slash, so the first piece is empty.
    for segment in path.split('/').skip(1) {
        if segment.is_empty() {
            return Some("its path has an empty segment");
        }
        if segment == "." || segment == ".." {
            return Some("its path has a relative segment");
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !segment.bytes().all(allowed) {
            return Some("its path holds other than letters, digits, dots, dashes, underscores");
        }
    }
    None
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_named_by_namespace_and_account() {
        let domain = "cluster.local".parse().expect("a domain");
        let id = SpiffeId::of_service_account(&domain, &Namespace::from("shop"), "web");
        let id = id.expect("valid");
        assert_eq!(id.as_str(), "spiffe://cluster.local/ns/shop/sa/web");
        assert_eq!(id.service_account(), Some(("shop", "web")));
        assert_eq!(id.trust_domain(), &domain);
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        for text in [
            "https://cluster.local/ns/a",
            "spiffe://Cluster.local/a",
            "spiffe:///a",
            "spiffe://d/a//b",
            "spiffe://d/a/",
            "spiffe://d/../b",
            "spiffe://d/a b",
            "spiffe://d:80/a",
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        }
        assert!(
            "spiffe://d"
                .parse::<SpiffeId>()
                .is_ok_and(|id| id.path().is_empty())
        );
    }
}
