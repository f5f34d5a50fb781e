//! Key and signing request.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType};
use thiserror::Error;

use crate::settings::KeyAlgorithm;

/// Why no request could be made.
#[derive(Debug, Error)]
#[error("making a {algorithm:?} key and signing request for {spiffe_id}: {reason}")]
pub struct KeyError {
    algorithm: KeyAlgorithm,
    spiffe_id: String,
    reason: rcgen::Error,
}

/// A new key and the request for its certificate.
pub struct SigningRequest {
    /// The private key in PEM, PKCS#8.
    pub key: String,
    /// The request in PEM.
    pub request: String,
}

impl std::fmt::Debug for SigningRequest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SigningRequest").finish_non_exhaustive()
    }
}

impl SigningRequest {
    /// Makes both. The authority takes only the public key from the request: the identity in it is
    /// for the reader's eyes.
    ///
    /// # Errors
    /// When the identity is no URI or the key cannot be made.
    pub fn new(spiffe_id: &str, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let failed = |reason| KeyError {
            algorithm,
            spiffe_id: spiffe_id.to_owned(),
            reason,
        };
        let key = key(algorithm).map_err(failed)?;
        let uri = spiffe_id.try_into().map_err(failed)?;
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = vec![SanType::URI(uri)];
        parameters.distinguished_name = DistinguishedName::new();
        let request = parameters.serialize_request(&key).map_err(failed)?;
        Ok(Self {
            key: key.serialize_pem(),
            request: request.pem().map_err(failed)?,
        })
    }
}

fn key(algorithm: KeyAlgorithm) -> Result<KeyPair, rcgen::Error> {
    match algorithm {
        KeyAlgorithm::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyAlgorithm::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyAlgorithm::Rsa2048 => {
            KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        }
        KeyAlgorithm::Rsa4096 => {
            KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_4096)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_the_identity_and_belongs_to_its_key() {
        let made = SigningRequest::new("spiffe://a/ns/b/sa/c", KeyAlgorithm::P256).expect("made");
        let parsed = rcgen::CertificateSigningRequestParams::from_pem(&made.request);
        let names = parsed.expect("a request").params.subject_alt_names;
        assert!(matches!(&names[0], SanType::URI(uri) if uri.as_str() == "spiffe://a/ns/b/sa/c"));
        assert!(made.key.contains("PRIVATE KEY"));
        assert!(SigningRequest::new("späße", KeyAlgorithm::P256).is_err());
    }
}
