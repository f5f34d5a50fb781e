//! What goes wrong, and whose fault it is.

use std::io;
use std::path::PathBuf;

/// Whose fault a refused call is; the wire layer turns it into a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be served as it is (gRPC INVALID_ARGUMENT).
    InvalidRequest,
    /// The caller did not prove who it is (gRPC UNAUTHENTICATED).
    Unauthenticated,
    /// This side failed (gRPC INTERNAL).
    Internal,
}

/// Why a certificate was not issued.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The request is no PEM-encoded PKCS#10 request.
    #[error("the certificate signing request cannot be read: {0}")]
    Unreadable(String),
    /// The request was not signed with the key that it names.
    #[error("the certificate signing request is not signed by its own key")]
    NotProven,
    /// The key's algorithm is not supported.
    #[error("the key of the certificate signing request is not supported: {0}")]
    Key(String),
    /// A lifetime beyond the maximum.
    #[error("a lifetime of {asked} s was asked for; the longest that is granted is {maximum} s")]
    TooLong {
        /// Seconds asked for.
        asked: u64,
        /// Seconds at most.
        maximum: u64,
    },
    /// The caller has no name that could be certified.
    #[error("the caller has no SPIFFE id that could be certified")]
    NoIdentity,
    /// The signing certificate has expired.
    #[error("the signing certificate expired at {0}; replace it")]
    AuthorityExpired(time::OffsetDateTime),
    /// The signature failed.
    #[error("signing failed: {0}")]
    Signature(#[source] rcgen::Error),
}

impl SigningError {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable(_) | Self::NotProven | Self::Key(_) | Self::TooLong { .. } => {
                ErrorKind::InvalidRequest
            }
            Self::NoIdentity => ErrorKind::Unauthenticated,
            Self::AuthorityExpired(_) | Self::Signature(_) => ErrorKind::Internal,
        }
    }
}

/// Why keys and certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// Read or write.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory without the files of either naming.
    #[error(
        "{0} holds no CA: expected ca-cert.pem, ca-key.pem and root-cert.pem, \
         or tls.crt, tls.key and ca.crt"
    )]
    Incomplete(PathBuf),
    /// A file's content is not what it should be.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A new root could not be made.
    #[error("cannot make a root certificate: {0}")]
    Generation(#[source] rcgen::Error),
}

/// Why a caller is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Neither token nor client certificate.
    #[error("no token and no client certificate came with the call")]
    Missing,
    /// The token's form or signature is wrong.
    #[error("the token cannot be verified: {0}")]
    Token(String),
    /// The token is over.
    #[error("the token has expired")]
    Expired,
    /// The token is for somebody else.
    #[error("the token is meant for {found:?}; expected one of {expected:?}")]
    Audience {
        /// The token's audiences.
        found: Vec<String>,
        /// The audiences that are accepted.
        expected: Vec<String>,
    },
    /// The token's subject is no service account.
    #[error("the token's subject {0:?} is no service account")]
    Subject(String),
    /// The certificate's name is no SPIFFE id of a workload.
    #[error("{0:?} is no SPIFFE id of the form spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT")]
    SpiffeId(String),
    /// Tokens are not accepted, because nobody said who issues them.
    #[error("tokens are not accepted here: no key to verify them with was given")]
    NoVerifier,
}
