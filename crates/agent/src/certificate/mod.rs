//! The workload's own certificate: key, request, signing, renewal before half of its life is over.
//!
//! In: settings and the certificate authority (or files from elsewhere). Out: the current
//! [`WorkloadCertificate`] behind one published pointer, for the TLS secrets of our data plane and
//! for the SDS server of a stock Envoy. A failed renewal keeps the old certificate and tries again.

mod client;
mod keeper;
mod request;

use std::time::SystemTime;

use ferromesh_tls::{Identity, PeerCertificate, SecretStore, TlsError, TrustedRoots};

pub use client::{AuthorityError, CertificateAuthority};
pub use keeper::{CertificateKeeper, Renewal};
pub use request::{KeyError, SigningRequest};

/// Name of the secret with certificate and key.
pub const IDENTITY_SECRET: &str = "default";
/// Name of the secret with the trusted roots.
pub const ROOTS_SECRET: &str = "ROOTCA";

/// A certificate with its key and the roots that came with it, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct WorkloadCertificate {
    /// Leaf and intermediates.
    pub chain: String,
    /// Private key.
    pub key: String,
    /// Trusted roots.
    pub roots: String,
    /// When the leaf ends, in seconds since 1970.
    pub not_after: i64,
    /// When this process got it.
    pub received: SystemTime,
}

impl std::fmt::Debug for WorkloadCertificate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "WorkloadCertificate(until {})", self.not_after)
    }
}

impl WorkloadCertificate {
    /// Checks that chain, key and roots are usable together.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn new(
        chain: String,
        key: String,
        roots: String,
        received: SystemTime,
    ) -> Result<Self, TlsError> {
        let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes())?;
        TrustedRoots::from_pem(roots.as_bytes())?;
        let leaf = PeerCertificate::from_chain(identity.chain());
        // A leaf that cannot be read is treated as ended: it is renewed at once.
        let not_after = leaf.map_or(0, |leaf| leaf.validity().1);
        Ok(Self {
            chain,
            key,
            roots,
            not_after,
            received,
        })
    }

    /// Puts it into the store that our data plane reads.
    ///
    /// # Errors
    /// When a part is not usable.
    pub fn publish(&self, store: &SecretStore) -> Result<(), TlsError> {
        let identity = Identity::from_pem(self.chain.as_bytes(), self.key.as_bytes())?;
        let roots = TrustedRoots::from_pem(self.roots.as_bytes())?;
        // Roots first: a peer may already have been signed by a new one.
        store.set(ROOTS_SECRET, roots);
        store.set(IDENTITY_SECRET, identity);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
