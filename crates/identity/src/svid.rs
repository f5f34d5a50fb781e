//! X.509-SVIDs: which workload a certificate names (X509-SVID 2 and 5.2).

use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::spiffe_id::{SpiffeId, SpiffeIdError};

/// What the leaf of an X.509-SVID says. The chain is verified elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svid {
    /// The workload.
    pub id: SpiffeId,
    /// Valid from, in Unix seconds.
    pub not_before: i64,
    /// Valid until, in Unix seconds.
    pub not_after: i64,
}

/// A certificate that is no SVID.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SvidError {
    /// Not a certificate.
    #[error("not an X.509 certificate: {0}")]
    Certificate(String),
    /// None or several URI names.
    #[error("an X.509-SVID has exactly one URI name, this certificate has {0}")]
    UriNames(usize),
    /// The URI name is no SPIFFE ID.
    #[error(transparent)]
    SpiffeId(#[from] SpiffeIdError),
    /// An authority's certificate.
    #[error("a certificate authority's certificate cannot name a workload")]
    Authority,
}

impl Svid {
    /// Reads a leaf certificate in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, SvidError> {
        let malformed = |reason: String| SvidError::Certificate(reason);
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|error| malformed(error.to_string()))?;
        if certificate.is_ca() {
            return Err(SvidError::Authority);
        }
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| malformed(error.to_string()))?;
        let uris: Vec<&str> = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            })
            .collect();
        let [uri] = uris.as_slice() else {
            return Err(SvidError::UriNames(uris.len()));
        };
        let validity = certificate.validity();
        Ok(Self {
            id: uri.parse()?,
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    /// When a new one is due: after half of its life, in Unix seconds.
    pub fn renew_at(&self) -> i64 {
        self.not_before + (self.not_after - self.not_before) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate(uris: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        let uri = |text: &&str| SanType::URI((*text).try_into().expect("ASCII"));
        params.subject_alt_names = uris.iter().map(uri).collect();
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    #[test]
    fn a_leaf_names_its_workload() {
        let svid = Svid::from_der(&certificate(&["spiffe://d/ns/a/sa/b"])).expect("an SVID");
        assert_eq!(svid.id.service_account(), Some(("a", "b")));
        assert!(svid.not_before < svid.renew_at() && svid.renew_at() < svid.not_after);
    }

    #[test]
    fn a_certificate_with_no_name_or_two_is_no_svid() {
        let none = Svid::from_der(&certificate(&[]));
        assert_eq!(none, Err(SvidError::UriNames(0)));
        let two = Svid::from_der(&certificate(&["spiffe://d/a", "spiffe://d/b"]));
        assert_eq!(two, Err(SvidError::UriNames(2)));
        assert!(Svid::from_der(b"no certificate").is_err());
    }
}
