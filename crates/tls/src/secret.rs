//! Secrets by name, and the store that publishes them.
//!
//! The agent writes `default` (the workload's SVID) and `ROOTCA`, xDS writes what SDS over ADS
//! brings. A secret is parsed once when it is written; readers share it. Replacing a secret makes
//! the TLS configurations that use it rebuild at their next handshake.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ferromesh_runtime::{Published, Publisher};
use ferromesh_types::Str;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::VerifierBuilderError;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::error::TlsError;

/// A certificate chain with its private key.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads PEM: the leaf first, then its intermediates; the key in PKCS#8, PKCS#1 or SEC1 form.
    ///
    /// # Errors
    /// No certificate, no key, an unusable key, or a key of another certificate.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates("certificate chain", chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Pem {
            what: "private key",
            reason: error.to_string(),
        })?;
        let unusable = |error: rustls::Error| TlsError::Pem {
            what: "private key",
            reason: error.to_string(),
        };
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let signer = provider
            .key_provider
            .load_private_key(key)
            .map_err(unusable)?;
        let key = CertifiedKey::new(chain, signer);
        key.keys_match().map_err(unusable)?;
        Ok(Self { key: Arc::new(key) })
    }

    /// The chain in DER, leaf first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.key.cert.iter().map(AsRef::as_ref)
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.key.cert.len())
    }
}

/// Certificate authorities to trust.
#[derive(Clone)]
pub struct TrustedRoots {
    certificates: Arc<[CertificateDer<'static>]>,
    store: Arc<RootCertStore>,
    revocation: Option<Arc<Revocation>>,
}

/// Certificates that are no longer good. With lists, every authority of a chain must have one that
/// is up to date.
#[derive(Debug)]
pub(crate) struct Revocation {
    pub(crate) lists: Vec<CertificateRevocationListDer<'static>>,
    /// Whether authorities below the root need no list.
    pub(crate) leaf_only: bool,
}

impl TrustedRoots {
    /// Reads a PEM bundle. Certificates that cannot be roots are passed over as long as one is left.
    pub fn from_pem(bundle: &[u8]) -> Result<Self, TlsError> {
        let certificates = certificates("trusted roots", bundle)?;
        let mut store = RootCertStore::empty();
        let (added, _passed_over) = store.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            return Err(TlsError::Pem {
                what: "trusted roots",
                reason: "none of the certificates can be used as a trust anchor".to_owned(),
            });
        }
        Ok(Self {
            certificates: certificates.into(),
            store: Arc::new(store),
            revocation: None,
        })
    }

    /// The same roots, with revocation lists in PEM. `leaf_only` looks at end certificates alone.
    ///
    /// # Errors
    /// A list that cannot be read.
    pub fn with_revocation(mut self, lists: &[u8], leaf_only: bool) -> Result<Self, TlsError> {
        let fail = |reason: String| TlsError::Pem {
            what: "certificate revocation list",
            reason,
        };
        let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(lists)
            .collect::<Result<_, _>>()
            .map_err(|error| fail(error.to_string()))?;
        if lists.is_empty() {
            return Err(fail("no PEM block of type X509 CRL found".to_owned()));
        }
        let revocation = Revocation { lists, leaf_only };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let checked = revocation.server_verifier(self.store(), provider);
        checked.map_err(|error| fail(error.to_string()))?;
        self.revocation = Some(Arc::new(revocation));
        Ok(self)
    }

    pub(crate) fn revocation(&self) -> Option<&Arc<Revocation>> {
        self.revocation.as_ref()
    }

    /// The operating system's bundle, from the places where Linux distributions keep it.
    pub fn system() -> Result<Self, TlsError> {
        const BUNDLES: [&str; 4] = [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem",
        ];
        for path in BUNDLES {
            if let Ok(bundle) = std::fs::read(Path::new(path)) {
                return Self::from_pem(&bundle);
            }
        }
        Err(TlsError::NoSystemRoots)
    }

    /// The certificates in DER.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(AsRef::as_ref)
    }

    pub(crate) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }
}

impl Revocation {
    /// Judges the chains of servers, and their host names.
    pub(crate) fn server_verifier(
        &self,
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<WebPkiServerVerifier>, VerifierBuilderError> {
        let mut builder = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .with_crls(self.lists.iter().cloned())
            .enforce_revocation_expiration();
        if self.leaf_only {
            builder = builder.only_check_end_entity_revocation();
        }
        builder.build()
    }
}

impl fmt::Debug for TrustedRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedRoots({} certificates)", self.certificates.len())
    }
}

/// One named secret: a certificate with key, trusted roots, or both.
#[derive(Clone, Debug, Default)]
pub struct Secret {
    /// Certificate chain and key.
    pub identity: Option<Identity>,
    /// Certificate authorities.
    pub roots: Option<TrustedRoots>,
}

impl From<Identity> for Secret {
    fn from(identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            roots: None,
        }
    }
}

impl From<TrustedRoots> for Secret {
    fn from(roots: TrustedRoots) -> Self {
        Self {
            identity: None,
            roots: Some(roots),
        }
    }
}

/// All secrets at one moment.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    by_name: HashMap<Str, Arc<Secret>>,
}

impl Secrets {
    /// The secret of that name.
    pub fn find(&self, name: &str) -> Option<&Arc<Secret>> {
        self.by_name.get(name)
    }

    /// All secrets, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, &Arc<Secret>)> {
        self.by_name.iter()
    }
}

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct SecretStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    published: Publisher<Secrets>,
    reader: Published<Secrets>,
    /// Writers (the agent, xDS) take turns; readers never wait for them.
    writing: Mutex<()>,
}

impl Default for SecretStore {
    fn default() -> Self {
        Self::new()
    }
}

impl SecretStore {
    /// An empty store.
    pub fn new() -> Self {
        let published = Publisher::new(Secrets::default());
        let reader = published.reader();
        Self {
            shared: Arc::new(Shared {
                published,
                reader,
                writing: Mutex::new(()),
            }),
        }
    }

    /// Adds or replaces a secret.
    pub fn set(&self, name: &str, secret: impl Into<Secret>) {
        let secret = Arc::new(secret.into());
        self.edit(|by_name| {
            by_name.insert(Str::from(name), secret);
        });
    }

    /// Removes a secret. Connections that use it go on; new handshakes fail.
    pub fn remove(&self, name: &str) {
        self.edit(|by_name| {
            by_name.remove(name);
        });
    }

    /// The secret of that name.
    pub fn find(&self, name: &str) -> Option<Arc<Secret>> {
        self.shared.reader.load().find(name).cloned()
    }

    /// A handle that tells of changes.
    pub fn reader(&self) -> Published<Secrets> {
        self.shared.published.reader()
    }

    fn edit(&self, change: impl FnOnce(&mut HashMap<Str, Arc<Secret>>)) {
        let _turn = self
            .shared
            .writing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut secrets = Secrets::clone(&self.shared.published.current());
        change(&mut secrets.by_name);
        self.shared.published.publish(Arc::new(secrets));
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fail = |reason| TlsError::Pem { what, reason };
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| fail(error.to_string()))?;
    if all.is_empty() {
        return Err(fail("no PEM block of type CERTIFICATE found".to_owned()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_secret_is_seen_by_readers() {
        let store = SecretStore::new();
        assert!(store.find("ROOTCA").is_none());
        store.set("ROOTCA", Secret::default());
        let first = store.find("ROOTCA").expect("just set");
        store.clone().set("ROOTCA", Secret::default());
        let second = store.find("ROOTCA").expect("replaced");
        assert!(!Arc::ptr_eq(&first, &second));
        store.remove("ROOTCA");
        assert!(store.find("ROOTCA").is_none());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let one = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("generated");
        let other =
            rcgen::generate_simple_self_signed(["b.example".to_owned()]).expect("generated");
        let chain = one.cert.pem();
        let own = one.signing_key.serialize_pem();
        let foreign = other.signing_key.serialize_pem();
        Identity::from_pem(chain.as_bytes(), own.as_bytes()).expect("they belong together");
        let error = Identity::from_pem(chain.as_bytes(), foreign.as_bytes()).expect_err("foreign");
        assert!(error.to_string().starts_with("private key"), "{error}");
        let error = TrustedRoots::from_pem(b"").expect_err("empty");
        assert!(error.to_string().contains("CERTIFICATE"), "{error}");
    }
}
