//! TLS of a port that a gateway (or a Sidecar's ingress listener) opens.

use ferromesh_types::Str;
use serde::Deserialize;

/// TLS settings of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerTlsSettings {
    /// Answer plain HTTP with a redirect to HTTPS.
    pub https_redirect: bool,
    /// Which TLS.
    pub mode: ServerTlsMode,
    /// File of the certificate chain.
    pub server_certificate: Str,
    /// File of the private key.
    pub private_key: Str,
    /// File of the roots that client certificates are verified with.
    pub ca_certificates: Str,
    /// File of the revocation list.
    pub ca_crl: Str,
    /// A Secret with key and certificates, instead of files.
    pub credential_name: Str,
    /// Several Secrets, for keys of several algorithms.
    pub credential_names: Vec<Str>,
    /// A Secret or ConfigMap with the roots, where they are apart from the certificate.
    pub ca_cert_credential_name: Str,
    /// Several pairs of files, for keys of several algorithms.
    pub tls_certificates: Vec<TlsCertificate>,
    /// Names of which a client's certificate must carry one.
    pub subject_alt_names: Vec<Str>,
    /// Hashes of the public keys that are accepted, in base64.
    pub verify_certificate_spki: Vec<Str>,
    /// Hashes of the certificates that are accepted, in hex.
    pub verify_certificate_hash: Vec<Str>,
    /// The least version.
    pub min_protocol_version: TlsProtocol,
    /// The greatest version.
    pub max_protocol_version: TlsProtocol,
    /// Cipher suites up to TLS 1.2; empty is the default list.
    pub cipher_suites: Vec<Str>,
}

/// A pair of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsCertificate {
    /// File of the certificate chain.
    pub server_certificate: Str,
    /// File of the private key.
    pub private_key: Str,
    /// File of the trusted roots.
    pub ca_certificates: Str,
}

/// Which TLS a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerTlsMode {
    /// Route by server name without opening.
    #[default]
    Passthrough,
    /// TLS without client certificate.
    Simple,
    /// TLS with client certificate.
    Mutual,
    /// Route by server name that encodes the service, without VirtualService.
    AutoPassthrough,
    /// The mesh's own mutual TLS.
    IstioMutual,
    /// TLS where a client certificate is verified if sent.
    OptionalMutual,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum TlsProtocol {
    /// The default.
    #[default]
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// TLS 1.0.
    #[serde(rename = "TLSV1_0")]
    V1_0,
    /// TLS 1.1.
    #[serde(rename = "TLSV1_1")]
    V1_1,
    /// TLS 1.2.
    #[serde(rename = "TLSV1_2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSV1_3")]
    V1_3,
}
