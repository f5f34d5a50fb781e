//! What one listener or one cluster asks of TLS. Plain values.

use ferromesh_types::Str;

use crate::error::TlsError;
use crate::san::SanMatcher;
use crate::suite;

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// Versions, cipher suites and key exchanges.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsParameters {
    /// Lowest version offered.
    pub min: TlsVersion,
    /// Highest version offered.
    pub max: TlsVersion,
    /// TLS 1.2 cipher suites by OpenSSL name, in order of preference; empty for the defaults.
    /// Suites without forward secrecy are not supported and are left out.
    pub cipher_suites: Vec<Str>,
    /// Key exchange groups in order of preference, by the names of OpenSSL or IANA; empty for the
    /// defaults, of which X25519MLKEM768 is the first.
    pub groups: Vec<Str>,
}

impl TlsParameters {
    /// Whether every name is known and something is left to speak.
    pub fn check(&self) -> Result<(), TlsError> {
        suite::provider(self).map(drop)
    }
}

impl Default for TlsParameters {
    fn default() -> Self {
        Self {
            min: TlsVersion::V1_2,
            max: TlsVersion::V1_3,
            cipher_suites: Vec::new(),
            groups: Vec::new(),
        }
    }
}

/// Certificates that are accepted by what they are, besides who signed them. One match is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pins {
    /// SHA-256 of the certificate.
    pub certificates: Vec<[u8; 32]>,
    /// SHA-256 of its public key (SubjectPublicKeyInfo).
    pub keys: Vec<[u8; 32]>,
}

impl Pins {
    /// Whether there are none, so that nothing is restricted.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.keys.is_empty()
    }
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// Not asked for.
    #[default]
    None,
    /// Asked for and verified when shown.
    Optional,
    /// Asked for; the handshake fails without.
    Required,
}

/// A TLS server: a listener's filter chain, or a control-plane port.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Names of the secrets with certificate and key, at least one. For each client the first one
    /// is taken that is for the server name and of a kind that the client understands, ECDSA before
    /// others; the first of all where none is.
    pub identities: Vec<Str>,
    /// Whether clients that send no server name are refused.
    pub require_sni: bool,
    /// Name of the secret with the roots that client certificates must chain to.
    pub client_roots: Option<Str>,
    /// Whether clients must show a certificate.
    pub client_auth: ClientAuth,
    /// Patterns of which a client certificate must match one; empty for no restriction.
    pub client_names: Vec<SanMatcher>,
    /// Client certificates that are accepted; empty for no restriction.
    pub client_pins: Pins,
    /// Whether clients may resume their sessions.
    pub resumption: bool,
    /// Whether the order of the cipher suites is the client's instead of ours.
    pub prefer_client_ciphers: bool,
    /// Protocols in order of preference; empty for no ALPN.
    pub alpn: Vec<Str>,
    /// Versions and suites.
    pub parameters: TlsParameters,
}

impl ServerSettings {
    /// A server that asks for no client certificate.
    pub fn new(identity: &str) -> Self {
        Self {
            identities: vec![Str::from(identity)],
            require_sni: false,
            client_pins: Pins::default(),
            resumption: true,
            prefer_client_ciphers: true,
            client_roots: None,
            client_auth: ClientAuth::None,
            client_names: Vec::new(),
            alpn: Vec::new(),
            parameters: TlsParameters::default(),
        }
    }
}

/// How a server's certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerTrust {
    /// Not at all: the configuration names no validation context.
    Unverified,
    /// The chain must lead to the roots in this secret.
    Roots(Str),
}

/// A TLS client: an upstream cluster, or the agent's own connections.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Name of the secret with certificate and key, for mutual TLS.
    pub identity: Option<Str>,
    /// How the server's certificate is judged.
    pub trust: ServerTrust,
    /// The certificate must also be valid for the server name of the connection. Meshes check
    /// `server_names` instead, because SPIFFE certificates carry no host names.
    pub verify_host: bool,
    /// Patterns of which the server's certificate must match one; empty for no restriction.
    pub server_names: Vec<SanMatcher>,
    /// Server certificates that are accepted; empty for no restriction.
    pub server_pins: Pins,
    /// Whether sessions are resumed.
    pub resumption: bool,
    /// Server name to send, unless a connection brings its own; `None` sends none.
    pub sni: Option<Str>,
    /// Protocols to offer, unless a connection brings its own.
    pub alpn: Vec<Str>,
    /// Versions and suites.
    pub parameters: TlsParameters,
}

impl ClientSettings {
    /// A client that verifies chain and host name against `roots`.
    pub fn new(roots: &str) -> Self {
        Self {
            identity: None,
            trust: ServerTrust::Roots(Str::from(roots)),
            verify_host: true,
            server_names: Vec::new(),
            server_pins: Pins::default(),
            resumption: true,
            sni: None,
            alpn: Vec::new(),
            parameters: TlsParameters::default(),
        }
    }
}
