//! Signing: workload certificates from requests, and the control plane's own serving certificate.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SubjectPublicKeyInfo,
};
use time::OffsetDateTime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::caller::Caller;
use crate::error::SigningError;
use crate::material::{BACKDATE, KeyMaterial};

/// How long certificates live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthoritySettings {
    /// When the request names no lifetime (`DEFAULT_WORKLOAD_CERT_TTL`).
    pub default_lifetime: Duration,
    /// The longest that is granted (`MAX_WORKLOAD_CERT_TTL`).
    pub max_lifetime: Duration,
}

impl Default for AuthoritySettings {
    fn default() -> Self {
        Self {
            default_lifetime: Duration::from_hours(24),
            max_lifetime: Duration::from_hours(90 * 24),
        }
    }
}

/// An authority: key material and rules.
#[derive(Debug)]
pub struct Authority {
    material: KeyMaterial,
    settings: AuthoritySettings,
}

/// A new certificate and what leads from it to the root. All PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedChain {
    /// The certificate.
    pub leaf: String,
    /// What lies between it and the root, in order.
    pub intermediates: Vec<String>,
    /// The trusted roots, in one text.
    pub roots: String,
    /// When the certificate ends.
    pub not_after: OffsetDateTime,
}

impl IssuedChain {
    /// The list of Istio's certificate service: leaf, intermediates, roots as the last element.
    pub fn into_response(self) -> Vec<String> {
        let mut list = vec![self.leaf];
        list.extend(self.intermediates);
        list.push(self.roots);
        list
    }
}

/// A certificate for a server of this process, with its key. PEM.
#[derive(Clone)]
pub struct ServingCertificate {
    /// Leaf and intermediates.
    pub chain: String,
    /// The private key.
    pub key: String,
    /// When it ends.
    pub not_after: OffsetDateTime,
}

impl std::fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServingCertificate")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Signs with `material` under `settings`.
    pub fn new(material: KeyMaterial, settings: AuthoritySettings) -> Self {
        Self { material, settings }
    }

    /// The key material.
    pub fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// The trusted roots, PEM.
    pub fn roots(&self) -> &str {
        self.material.roots()
    }

    /// Certifies the key of `request` (PEM, PKCS#10) as the caller's, whatever names the request
    /// holds. `lifetime` zero or absent means the default.
    pub fn sign(
        &self,
        request: &str,
        caller: &Caller,
        lifetime: Option<Duration>,
        now: OffsetDateTime,
    ) -> Result<IssuedChain, SigningError> {
        let key = proven_key(request)?;
        let lifetime = lifetime.filter(|lifetime| !lifetime.is_zero());
        if let Some(asked) = lifetime
            && asked > self.settings.max_lifetime
        {
            return Err(SigningError::TooLong {
                asked: asked.as_secs(),
                maximum: self.settings.max_lifetime.as_secs(),
            });
        }
        let lifetime = lifetime.unwrap_or(self.settings.default_lifetime);
        let name = caller
            .spiffe_id()
            .try_into()
            .map_err(|_| SigningError::NoIdentity)?;
        let mut params = self.leaf_params(now, lifetime)?;
        params.subject_alt_names = vec![SanType::URI(name)];
        let not_after = params.not_after;
        let certificate = params
            .signed_by(&key, &self.issuer()?)
            .map_err(SigningError::Signature)?;
        Ok(IssuedChain {
            leaf: certificate.pem(),
            intermediates: self.material.chain.clone(),
            roots: self.material.roots.clone(),
            not_after,
        })
    }

    /// A certificate for a server that is reached under `names` (DNS names or addresses).
    pub fn serving(
        &self,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<ServingCertificate, SigningError> {
        let key =
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(SigningError::Signature)?;
        let mut params = self.leaf_params(now, self.settings.max_lifetime)?;
        for name in names {
            let san = match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => {
                    SanType::DnsName(name.as_str().try_into().map_err(SigningError::Signature)?)
                }
            };
            params.subject_alt_names.push(san);
        }
        let not_after = params.not_after;
        let certificate = params
            .signed_by(&key, &self.issuer()?)
            .map_err(SigningError::Signature)?;
        let mut chain = certificate.pem();
        for intermediate in &self.material.chain {
            chain.push_str(intermediate);
        }
        Ok(ServingCertificate {
            chain,
            key: key.serialize_pem(),
            not_after,
        })
    }

    fn leaf_params(
        &self,
        now: OffsetDateTime,
        lifetime: Duration,
    ) -> Result<CertificateParams, SigningError> {
        if self.material.not_after <= now {
            return Err(SigningError::AuthorityExpired(self.material.not_after));
        }
        let mut params = CertificateParams::default();
        // Without a subject the alternative name is critical, as SPIFFE wants it.
        params.distinguished_name = DistinguishedName::new();
        params.not_before = now - BACKDATE;
        // A leaf that outlives its issuer would fail before its time.
        params.not_after = (now + lifetime).min(self.material.not_after);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn issuer(&self) -> Result<Issuer<'_, &KeyPair>, SigningError> {
        Issuer::from_ca_cert_pem(&self.material.signing_certificate, &self.material.key)
            .map_err(SigningError::Signature)
    }
}

/// The public key of a request that is signed with it.
fn proven_key(request: &str) -> Result<SubjectPublicKeyInfo, SigningError> {
    let unreadable = |error: String| SigningError::Unreadable(error);
    let block = x509_parser::pem::Pem::iter_from_buffer(request.as_bytes())
        .next()
        .ok_or_else(|| unreadable("no PEM block in it".to_owned()))?
        .map_err(|error| unreadable(error.to_string()))?;
    let (_, parsed) = X509CertificationRequest::from_der(&block.contents)
        .map_err(|error| unreadable(error.to_string()))?;
    parsed
        .verify_signature()
        .map_err(|_| SigningError::NotProven)?;
    SubjectPublicKeyInfo::from_der(parsed.certification_request_info.subject_pki.raw)
        .map_err(|error| SigningError::Key(error.to_string()))
}

#[cfg(test)]
mod tests;
