//! Why TLS could not be configured or a handshake failed.

use std::io;

use ferromesh_types::Str;
use thiserror::Error;

/// A secret, a configuration or a handshake is not usable.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The secret is not in the store (yet).
    #[error("the secret {0} has not arrived; waiting for the agent or the control plane")]
    SecretMissing(Str),
    /// The secret is there but has no certificate and key.
    #[error("the secret {0} holds no certificate with a private key")]
    NoIdentity(Str),
    /// The secret is there but has no trusted roots.
    #[error("the secret {0} holds no trusted root certificates")]
    NoRoots(Str),
    /// PEM text does not hold what it should.
    #[error("{what}: {reason}")]
    Pem {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No system trust store was found.
    #[error("no system root certificates found; install ca-certificates or name a root file")]
    NoSystemRoots,
    /// The settings cannot be met.
    #[error("TLS settings: {0}")]
    Settings(String),
    /// The name cannot be used as a TLS server name.
    #[error("{0} is not a valid TLS server name")]
    ServerName(String),
    /// The handshake failed.
    #[error("TLS_error: {0}")]
    Handshake(#[source] io::Error),
}

impl TlsError {
    pub(crate) fn settings(error: rustls::Error) -> Self {
        Self::Settings(error.to_string())
    }

    /// Whether trying again later, with secrets that arrive in between, can help.
    pub fn is_waiting_for_secret(&self) -> bool {
        matches!(self, Self::SecretMissing(_))
    }
}
