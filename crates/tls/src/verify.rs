//! Judging a peer's certificate: the chain by webpki, then the alternative names by pattern and the
//! certificate itself by its hash.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::peer::PeerCertificate;
use crate::san::SanMatcher;
use crate::settings::Pins;

/// Judges servers.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    /// `None` accepts any certificate.
    pub(crate) roots: Option<Arc<RootCertStore>>,
    /// Judges chain and host name where there are revocation lists.
    pub(crate) revocation: Option<Arc<WebPkiServerVerifier>>,
    pub(crate) verify_host: bool,
    pub(crate) names: Vec<SanMatcher>,
    pub(crate) pins: Pins,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(judge) = &self.revocation {
            let verdict =
                judge.verify_server_cert(end_entity, intermediates, server_name, &[], now);
            // The name is looked at last: with a wrong one, the chain is good.
            let wrong_name = matches!(
                verdict,
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. }
                ))
            );
            if self.verify_host || !wrong_name {
                verdict?;
            }
        } else if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
            if self.verify_host {
                verify_server_name(&certificate, server_name)?;
            }
        }
        check_names(&self.names, end_entity)?;
        check_pins(&self.pins, end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Judges clients: webpki's own verifier for the chain, then the names.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    pub(crate) chain: Arc<dyn ClientCertVerifier>,
    pub(crate) names: Vec<SanMatcher>,
    pub(crate) pins: Pins,
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.chain.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)?;
        check_names(&self.names, end_entity)?;
        check_pins(&self.pins, end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn check_names(names: &[SanMatcher], certificate: &CertificateDer<'_>) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let peer = PeerCertificate::parse(certificate)
        .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
    if names.iter().any(|name| name.matches(&peer)) {
        return Ok(());
    }
    Err(Error::InvalidCertificate(
        CertificateError::ApplicationVerificationFailure,
    ))
}

fn check_pins(pins: &Pins, certificate: &CertificateDer<'_>) -> Result<(), Error> {
    if pins.is_empty() {
        return Ok(());
    }
    let hash: [u8; 32] = Sha256::digest(certificate).into();
    let key = || {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        Some(<[u8; 32]>::from(Sha256::digest(parsed.public_key().raw)))
    };
    if pins.certificates.contains(&hash) || key().is_some_and(|key| pins.keys.contains(&key)) {
        return Ok(());
    }
    Err(Error::InvalidCertificate(
        CertificateError::ApplicationVerificationFailure,
    ))
}
