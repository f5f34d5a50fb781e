//! Accepting TLS.

use std::sync::{Arc, Mutex, PoisonError};

use ferromesh_types::Str;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::error::TlsError;
use crate::peer::PeerCertificate;
use crate::secret::{Identity, Secret, SecretStore, TrustedRoots};
use crate::settings::{ClientAuth, ServerSettings};
use crate::stream::ServerStream;
use crate::suite;
use crate::verify::ClientVerifier;

/// A TLS server. Shared by all connections of a filter chain.
#[derive(Debug)]
pub struct TlsServer {
    settings: ServerSettings,
    store: SecretStore,
    /// The configuration of the current secrets; locked for a pointer comparison per handshake.
    built: Mutex<Option<Built>>,
}

#[derive(Debug)]
struct Built {
    identity: Arc<Secret>,
    roots: Option<Arc<Secret>>,
    config: Arc<ServerConfig>,
}

impl TlsServer {
    /// A server that takes its secrets from `store`, also later ones.
    pub fn new(settings: ServerSettings, store: SecretStore) -> Self {
        Self {
            settings,
            store,
            built: Mutex::new(None),
        }
    }

    /// A server with fixed secrets, checked at once. `client_roots` makes client certificates
    /// optional or required according to `client_auth`.
    pub fn from_pem(
        chain: &[u8],
        key: &[u8],
        client_roots: Option<&[u8]>,
        client_auth: ClientAuth,
        alpn: &[&str],
    ) -> Result<Self, TlsError> {
        let store = SecretStore::new();
        store.set("identity", Identity::from_pem(chain, key)?);
        let mut settings = ServerSettings::new("identity");
        settings.client_auth = client_auth;
        settings.alpn = alpn.iter().map(|name| Str::from(*name)).collect();
        if let Some(roots) = client_roots {
            store.set("roots", TrustedRoots::from_pem(roots)?);
            settings.client_roots = Some(Str::from("roots"));
        }
        let server = Self::new(settings, store);
        server.config()?;
        Ok(server)
    }

    /// The settings.
    pub fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// Whether the secrets are there and usable.
    pub fn check(&self) -> Result<(), TlsError> {
        self.config().map(drop)
    }

    /// What our own certificate says, as of now.
    pub fn local_certificate(&self) -> Option<PeerCertificate> {
        let secret = self.store.find(&self.settings.identity)?;
        PeerCertificate::from_chain(secret.identity.as_ref()?.chain().take(1))
    }

    /// Performs the handshake. The caller bounds its time.
    pub async fn accept<S>(&self, stream: S) -> Result<ServerStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.config()?);
        let inner = Box::pin(acceptor.accept(stream))
            .await
            .map_err(TlsError::Handshake)?;
        Ok(ServerStream { inner })
    }

    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let missing = |name: &Str| TlsError::SecretMissing(name.clone());
        let name = &self.settings.identity;
        let identity = self.store.find(name).ok_or_else(|| missing(name))?;
        let roots = match &self.settings.client_roots {
            Some(name) => Some(self.store.find(name).ok_or_else(|| missing(name))?),
            None => None,
        };
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = &*built
            && Arc::ptr_eq(&built.identity, &identity)
            && same(built.roots.as_ref(), roots.as_ref())
        {
            return Ok(Arc::clone(&built.config));
        }
        let config = Arc::new(self.build(&identity, roots.as_deref())?);
        *built = Some(Built {
            identity,
            roots,
            config: Arc::clone(&config),
        });
        Ok(config)
    }

    fn build(&self, identity: &Secret, roots: Option<&Secret>) -> Result<ServerConfig, TlsError> {
        let settings = &self.settings;
        let key = identity
            .identity
            .as_ref()
            .ok_or_else(|| TlsError::NoIdentity(settings.identity.clone()))?
            .certified_key();
        let provider = suite::provider(&settings.parameters)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(suite::versions(&settings.parameters))
            .map_err(TlsError::settings)?;
        let builder = match settings.client_auth {
            ClientAuth::None => builder.with_no_client_auth(),
            auth => builder.with_client_cert_verifier(self.client_verifier(auth, roots, provider)?),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = settings
            .alpn
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::settings)?;
        // One ticket is enough for the one next connection; each costs the client a read.
        config.send_tls13_tickets = 1;
        Ok(config)
    }

    fn client_verifier(
        &self,
        auth: ClientAuth,
        roots: Option<&Secret>,
        provider: Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let name = self.settings.client_roots.clone().ok_or_else(|| {
            TlsError::Settings("client certificates are asked for without trusted roots".to_owned())
        })?;
        let roots = roots
            .and_then(|secret| secret.roots.as_ref())
            .ok_or(TlsError::NoRoots(name))?;
        let mut chain = WebPkiClientVerifier::builder_with_provider(roots.store(), provider);
        if auth == ClientAuth::Optional {
            chain = chain.allow_unauthenticated();
        }
        let chain = chain
            .build()
            .map_err(|error| TlsError::Settings(error.to_string()))?;
        Ok(Arc::new(ClientVerifier {
            chain,
            names: self.settings.client_names.clone(),
        }))
    }
}

/// Whether two optional secrets are the same generation.
pub(crate) fn same(one: Option<&Arc<Secret>>, other: Option<&Arc<Secret>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
