//! Accepting TLS.

use std::sync::{Arc, Mutex, PoisonError};

use ferromesh_types::Str;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;

use crate::certificates::Certificates;
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
    identities: Vec<Arc<Secret>>,
    roots: Option<Arc<Secret>>,
    config: Arc<ServerConfig>,
    /// The same without application protocols, for clients that offer others.
    silent: Arc<ServerConfig>,
    /// What our first certificate says.
    local: Option<Arc<PeerCertificate>>,
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
        server.built()?;
        Ok(server)
    }

    /// The settings.
    pub fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// Whether the secrets are there and usable.
    pub fn check(&self) -> Result<(), TlsError> {
        self.built().map(drop)
    }

    /// What our own (first) certificate says, as of the last handshake.
    pub fn local_certificate(&self) -> Option<Arc<PeerCertificate>> {
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built.as_ref()?.local.clone()
    }

    /// Performs the handshake. The caller bounds its time.
    pub async fn accept<S>(&self, stream: S) -> Result<ServerStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (config, silent) = self.built()?;
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let start = Box::pin(start).await.map_err(TlsError::Handshake)?;
        let config = if shares_protocol(&start.client_hello(), &config) {
            config
        } else {
            silent
        };
        let inner = Box::pin(start.into_stream(config))
            .await
            .map_err(TlsError::Handshake)?;
        Ok(ServerStream { inner })
    }

    /// The configuration, and the one for clients with whom there is no common application protocol.
    fn built(&self) -> Result<(Arc<ServerConfig>, Arc<ServerConfig>), TlsError> {
        let find = |name: &Str| {
            let found = self.store.find(name);
            found.ok_or_else(|| TlsError::SecretMissing(name.clone()))
        };
        let identities: Vec<_> = self
            .settings
            .identities
            .iter()
            .map(find)
            .collect::<Result<_, _>>()?;
        let roots = self.settings.client_roots.as_ref().map(find).transpose()?;
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = &*built
            && built
                .identities
                .iter()
                .zip(&identities)
                .all(|(was, is)| Arc::ptr_eq(was, is))
            && same(built.roots.as_ref(), roots.as_ref())
        {
            return Ok((Arc::clone(&built.config), Arc::clone(&built.silent)));
        }
        let keys = self.keys(&identities)?;
        let leaf = keys.first().and_then(|key| key.cert.first());
        let local = leaf.and_then(|leaf| PeerCertificate::from_chain([leaf.as_ref()]));
        let config = Arc::new(self.build(keys, roots.as_deref())?);
        let silent = if config.alpn_protocols.is_empty() {
            Arc::clone(&config)
        } else {
            let mut silent = (*config).clone();
            silent.alpn_protocols.clear();
            Arc::new(silent)
        };
        *built = Some(Built {
            identities,
            roots,
            config: Arc::clone(&config),
            silent: Arc::clone(&silent),
            local: local.map(Arc::new),
        });
        Ok((config, silent))
    }

    fn keys(&self, identities: &[Arc<Secret>]) -> Result<Vec<Arc<CertifiedKey>>, TlsError> {
        let key = |(name, secret): (&Str, &Arc<Secret>)| {
            let identity = secret.identity.as_ref();
            let identity = identity.ok_or_else(|| TlsError::NoIdentity(name.clone()))?;
            Ok(identity.certified_key())
        };
        let names = self.settings.identities.iter();
        names.zip(identities).map(key).collect()
    }

    fn build(
        &self,
        keys: Vec<Arc<CertifiedKey>>,
        roots: Option<&Secret>,
    ) -> Result<ServerConfig, TlsError> {
        let settings = &self.settings;
        let provider = suite::provider(&settings.parameters)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(suite::versions(&settings.parameters))
            .map_err(TlsError::settings)?;
        let builder = match settings.client_auth {
            ClientAuth::None => builder.with_no_client_auth(),
            auth => builder.with_client_cert_verifier(self.client_verifier(auth, roots, provider)?),
        };
        let certificates = Certificates::new(keys, settings.require_sni);
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = settings
            .alpn
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        config.ignore_client_order = !settings.prefer_client_ciphers;
        if settings.resumption {
            // One for all workers, so that a session is resumed wherever its next connection lands.
            config.ticketer =
                rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::settings)?;
            // One ticket is enough for the one next connection; each costs the client a read.
            config.send_tls13_tickets = 1;
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
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
        if let Some(revocation) = roots.revocation() {
            chain = chain
                .with_crls(revocation.lists.iter().cloned())
                .enforce_revocation_expiration();
            if revocation.leaf_only {
                chain = chain.only_check_end_entity_revocation();
            }
        }
        if auth == ClientAuth::Optional {
            chain = chain.allow_unauthenticated();
        }
        let chain = chain
            .build()
            .map_err(|error| TlsError::Settings(error.to_string()))?;
        Ok(Arc::new(ClientVerifier {
            chain,
            names: self.settings.client_names.clone(),
            pins: self.settings.client_pins.clone(),
        }))
    }
}

/// Whether the client offers an application protocol that `config` has. Where it offers only others
/// the handshake goes on without one, as in Envoy, while rustls would refuse it (RFC 7301 section
/// 3.2 allows both): a mesh's own protocols for bytes are no protocols of the server's.
fn shares_protocol(hello: &ClientHello<'_>, config: &ServerConfig) -> bool {
    let Some(mut offered) = hello.alpn() else {
        return true;
    };
    offered.any(|name| config.alpn_protocols.iter().any(|own| own == name))
}

/// Whether two optional secrets are the same generation.
pub(crate) fn same(one: Option<&Arc<Secret>>, other: Option<&Arc<Secret>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
