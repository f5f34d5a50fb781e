//! TLS towards the endpoints of a destination.

use ferromesh_types::Str;
use serde::Deserialize;

/// TLS settings of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientTlsSettings {
    /// Which TLS.
    pub mode: ClientTlsMode,
    /// File of the client certificate chain (MUTUAL).
    pub client_certificate: Str,
    /// File of the private key (MUTUAL).
    pub private_key: Str,
    /// File of the trusted roots; empty trusts the system's.
    pub ca_certificates: Str,
    /// A Secret with key and certificates, instead of files.
    pub credential_name: Str,
    /// Names of which the server's certificate must carry one.
    pub subject_alt_names: Vec<Str>,
    /// The server name that is sent.
    pub sni: Str,
    /// Do not verify the server.
    pub insecure_skip_verify: Option<bool>,
    /// File of the revocation list.
    pub ca_crl: Str,
}

/// Which TLS a client uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// None.
    #[default]
    Disable,
    /// TLS without client certificate.
    Simple,
    /// TLS with the client certificate of the settings.
    Mutual,
    /// The mesh's own mutual TLS.
    IstioMutual,
}
