//! Transport sockets: plain, or TLS with the names of the secrets it needs.
//!
//! Secrets themselves are in `tls::SecretStore`, which hands out a new TLS config when a secret
//! changes; inline certificates of a static bootstrap are put there under a name of their own.

use std::sync::Arc;

use bytes::Bytes;
use ferromesh_route::StringMatch;
use ferromesh_types::Str;

/// How a filter chain receives bytes.
#[derive(Clone, Debug)]
pub enum DownstreamTransport {
    /// As they come.
    Raw,
    /// Through TLS.
    Tls(Arc<DownstreamTls>),
}

/// TLS with a client.
#[derive(Clone, Debug)]
pub struct DownstreamTls {
    /// Secrets with our certificates; the first whose names fit the server name is shown.
    pub certificates: Vec<Str>,
    /// Whether a client without certificate is refused.
    pub require_client_certificate: bool,
    /// How the client's certificate is checked; `None` asks for none.
    pub validation: Option<ValidationSettings>,
    /// Application protocols in order of preference. A client with none of them is *not* refused:
    /// the connection goes on without one.
    pub alpn: Vec<Bytes>,
    /// Oldest version accepted.
    pub min_version: TlsVersion,
    /// Newest version offered.
    pub max_version: TlsVersion,
}

/// TLS with an endpoint.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// The secret with our certificate; `None` shows none.
    pub certificate: Option<Str>,
    /// How the endpoint's certificate is checked; `None` accepts any, as Envoy does.
    pub validation: Option<ValidationSettings>,
    /// Server name to ask for; empty sends none.
    pub sni: Str,
    /// Whether the request's authority is the server name (`auto_sni`).
    pub auto_sni: bool,
    /// Whether the endpoint must be able to prove the server name (`auto_san_validation`).
    pub auto_san_validation: bool,
    /// Application protocols, where no HTTP filter overrides them.
    pub alpn: Vec<Bytes>,
    /// Oldest version accepted.
    pub min_version: TlsVersion,
    /// Newest version offered.
    pub max_version: TlsVersion,
}

/// How a peer's certificate is checked.
#[derive(Clone, Debug, Default)]
pub struct ValidationSettings {
    /// The secret with the trusted roots; empty trusts nobody.
    pub trusted_roots: Str,
    /// One alternative name must match one of these; empty accepts every name.
    pub subject_alt_names: Vec<SanMatch>,
    /// Hex SHA-256 of certificates that are accepted; empty accepts all.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// SHA-256 of public keys that are accepted; empty accepts all.
    pub public_key_hashes: Vec<[u8; 32]>,
    /// Whether an untrusted peer is let in nevertheless (`ACCEPT_UNTRUSTED`).
    pub accept_untrusted: bool,
}

/// A condition on an alternative name of a certificate.
#[derive(Clone, Debug)]
pub struct SanMatch {
    /// Which kind of name; `None` looks at all kinds.
    pub kind: Option<SanKind>,
    /// What the name must be.
    pub matcher: StringMatch,
}

/// Kinds of alternative names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanKind {
    /// A host name.
    Dns,
    /// A URI, as SPIFFE uses it.
    Uri,
    /// An IP address.
    IpAddress,
    /// A mail address.
    Email,
}

/// TLS versions that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

/// How a cluster sends bytes to one endpoint.
#[derive(Clone, Debug)]
pub enum UpstreamTransport {
    /// As they are.
    Raw,
    /// Through TLS.
    Tls(UpstreamTls),
}

/// A cluster's transports.
#[derive(Clone, Debug)]
pub struct Transports {
    /// The first match whose criteria an endpoint's metadata meets is used.
    pub matches: Vec<TransportMatch>,
    /// For endpoints that none of them matches.
    pub fallback: Arc<UpstreamTransport>,
}

/// A transport for endpoints with certain metadata (`envoy.transport_socket_match`).
#[derive(Clone, Debug)]
pub struct TransportMatch {
    /// Its name.
    pub name: Str,
    /// All of these must be in the endpoint's metadata, as JSON values.
    pub criteria: Vec<(Str, serde_json::Value)>,
    /// The transport.
    pub transport: Arc<UpstreamTransport>,
}

impl Transports {
    /// One transport for all endpoints.
    pub fn single(transport: UpstreamTransport) -> Self {
        Self {
            matches: Vec::new(),
            fallback: Arc::new(transport),
        }
    }

    /// The transport for an endpoint with this metadata.
    pub fn find(
        &self,
        metadata: &serde_json::Map<String, serde_json::Value>,
    ) -> &Arc<UpstreamTransport> {
        let meets = |each: &&TransportMatch| {
            let mut criteria = each.criteria.iter();
            criteria.all(|(key, value)| metadata.get(key.as_str()) == Some(value))
        };
        self.matches
            .iter()
            .find(meets)
            .map_or(&self.fallback, |each| &each.transport)
    }

    /// Every transport of the cluster.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<UpstreamTransport>> {
        let matched = self.matches.iter().map(|each| &each.transport);
        matched.chain(std::iter::once(&self.fallback))
    }
}

impl UpstreamTransport {
    /// Names of the secrets it needs.
    pub fn secrets(&self) -> Vec<Str> {
        match self {
            Self::Raw => Vec::new(),
            Self::Tls(tls) => secret_names(tls.certificate.iter(), tls.validation.as_ref()),
        }
    }
}

impl DownstreamTransport {
    /// Names of the secrets it needs.
    pub fn secrets(&self) -> Vec<Str> {
        match self {
            Self::Raw => Vec::new(),
            Self::Tls(tls) => secret_names(tls.certificates.iter(), tls.validation.as_ref()),
        }
    }
}

fn secret_names<'a>(
    certificates: impl Iterator<Item = &'a Str>,
    validation: Option<&'a ValidationSettings>,
) -> Vec<Str> {
    let roots = validation.map(|settings| &settings.trusted_roots);
    certificates
        .chain(roots.filter(|name| !name.is_empty()))
        .cloned()
        .collect()
}
