//! The name of a trust domain (SPIFFE-ID 2.1).

use std::fmt;
use std::str::FromStr;

use ferromesh_types::Str;
use thiserror::Error;

/// Longest name that the standard allows.
const MAX_LENGTH: usize = 255;

/// A trust domain, such as `cluster.local`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Str);

/// A text that is no trust domain.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{text:?} is not a trust domain: {reason}")]
pub struct TrustDomainError {
    text: String,
    reason: &'static str,
}

impl TrustDomain {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = TrustDomainError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
        };
        let reason = if text.is_empty() {
            "it is empty"
        } else if text.len() > MAX_LENGTH {
            "it is longer than 255 bytes"
        } else if !text.bytes().all(allowed) {
            "only lower-case letters, digits, dots, dashes and underscores are allowed"
        } else {
            return Ok(Self(text.into()));
        };
        Err(TrustDomainError {
            text: text.to_owned(),
            reason,
        })
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
