//! Transport sockets: plain, or TLS.
//!
//! Secrets are named, not held: `tls::TlsServer` and `tls::TlsClient` look them up in the secret
//! store and rebuild themselves when a secret changes. Inline certificates of a static bootstrap are
//! put into the store under a name of their own.

use std::sync::Arc;

use ferromesh_net::ProxyVersion;
use ferromesh_tls::{
    ClientAuth, ClientSettings, ServerSettings, ServerTrust, TlsClient, TlsServer,
};
use ferromesh_types::Str;

/// How a filter chain receives bytes.
#[derive(Debug)]
pub enum DownstreamTransport {
    /// As they come.
    Raw,
    /// Through TLS. A client that offers none of our application protocols is *not* refused: the
    /// connection goes on without one.
    Tls(Box<TlsServer>),
}

/// How a cluster sends bytes to one endpoint.
#[derive(Debug)]
pub enum UpstreamTransport {
    /// As they are.
    Raw,
    /// Through TLS.
    Tls(Box<UpstreamTls>),
    /// After a PROXY protocol header that names the client.
    Announced(ProxyVersion, Box<UpstreamTransport>),
}

/// TLS with an endpoint.
#[derive(Debug)]
pub struct UpstreamTls {
    /// Makes the handshake. A connection may bring its own application protocols
    /// (`HttpFilter::AlpnOverride`) and server name.
    pub client: TlsClient,
    /// Whether the request's authority is the server name (`auto_sni`).
    pub auto_sni: bool,
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
            Self::Tls(tls) => client_secrets(tls.client.settings()),
            Self::Announced(_, inner) => inner.secrets(),
        }
    }

    /// TLS, where it is used.
    pub fn tls(&self) -> Option<&UpstreamTls> {
        match self {
            Self::Raw => None,
            Self::Tls(tls) => Some(tls),
            Self::Announced(_, inner) => inner.tls(),
        }
    }

    /// The PROXY protocol header that comes first.
    pub fn proxy_header(&self) -> Option<ProxyVersion> {
        match self {
            Self::Announced(version, _) => Some(*version),
            Self::Raw | Self::Tls(_) => None,
        }
    }
}

impl DownstreamTransport {
    /// Names of the secrets it needs.
    pub fn secrets(&self) -> Vec<Str> {
        match self {
            Self::Raw => Vec::new(),
            Self::Tls(server) => server_secrets(server.settings()),
        }
    }
}

fn client_secrets(settings: &ClientSettings) -> Vec<Str> {
    let roots = match &settings.trust {
        ServerTrust::Roots(name) => Some(name.clone()),
        ServerTrust::Unverified => None,
    };
    settings.identity.clone().into_iter().chain(roots).collect()
}

fn server_secrets(settings: &ServerSettings) -> Vec<Str> {
    let roots = settings
        .client_roots
        .clone()
        .filter(|_| settings.client_auth != ClientAuth::None);
    settings.identities.iter().cloned().chain(roots).collect()
}
