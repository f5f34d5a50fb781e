//! Connecting with TLS.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use ferromesh_types::Str;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::error::TlsError;
use crate::secret::{Identity, Secret, SecretStore, TrustedRoots};
use crate::server::same;
use crate::settings::{ClientSettings, ServerTrust};
use crate::stream::ClientStream;
use crate::suite;
use crate::verify::ServerVerifier;

/// A TLS client. Shared by all connections of a cluster.
#[derive(Debug)]
pub struct TlsClient {
    settings: ClientSettings,
    store: SecretStore,
    /// The configuration of the current secrets; locked for a pointer comparison per handshake.
    built: Mutex<Option<Built>>,
}

#[derive(Debug)]
struct Built {
    identity: Option<Arc<Secret>>,
    roots: Option<Arc<Secret>>,
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// A client that takes its secrets from `store`, also later ones.
    pub fn new(settings: ClientSettings, store: SecretStore) -> Self {
        Self {
            settings,
            store,
            built: Mutex::new(None),
        }
    }

    /// A client with fixed secrets that verifies chain and host name; `identity` is a certificate
    /// chain with its key for mutual TLS.
    pub fn from_pem(
        roots: &[u8],
        identity: Option<(&[u8], &[u8])>,
        alpn: &[&str],
    ) -> Result<Self, TlsError> {
        let store = SecretStore::new();
        store.set("roots", TrustedRoots::from_pem(roots)?);
        let mut settings = ClientSettings::new("roots");
        settings.alpn = alpn.iter().map(|name| Str::from(*name)).collect();
        if let Some((chain, key)) = identity {
            store.set("identity", Identity::from_pem(chain, key)?);
            settings.identity = Some(Str::from("identity"));
        }
        let client = Self::new(settings, store);
        client.config()?;
        Ok(client)
    }

    /// The settings.
    pub fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// Whether the secrets are there and usable.
    pub fn check(&self) -> Result<(), TlsError> {
        self.config().map(drop)
    }

    /// Performs the handshake with the server name and the protocols of the settings, or with the
    /// given ones. The caller bounds its time.
    pub async fn connect<S>(
        &self,
        stream: S,
        server_name: Option<&str>,
        alpn: Option<&[Str]>,
    ) -> Result<ClientStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match server_name.or(self.settings.sni.as_deref()) {
            Some(name) => ServerName::try_from(name.to_owned())
                .map_err(|_| TlsError::ServerName(name.to_owned()))?,
            // rustls sends no server name for an IP address, which is what no name means.
            None => ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into()),
        };
        let connector = TlsConnector::from(self.config()?);
        let handshake = match alpn {
            Some(alpn) => {
                let alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
                Box::pin(connector.with_alpn(alpn).connect(name, stream))
            }
            None => Box::pin(connector.connect(name, stream)),
        };
        let inner = handshake.await.map_err(TlsError::Handshake)?;
        Ok(ClientStream { inner })
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let find = |name: &Str| {
            let found = self.store.find(name);
            found.ok_or_else(|| TlsError::SecretMissing(name.clone()))
        };
        let identity = self.settings.identity.as_ref().map(find).transpose()?;
        let roots = match &self.settings.trust {
            ServerTrust::Roots(name) => Some(find(name)?),
            ServerTrust::Unverified => None,
        };
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = &*built
            && same(built.identity.as_ref(), identity.as_ref())
            && same(built.roots.as_ref(), roots.as_ref())
        {
            return Ok(Arc::clone(&built.config));
        }
        let config = Arc::new(self.build(identity.as_deref(), roots.as_deref())?);
        *built = Some(Built {
            identity,
            roots,
            config: Arc::clone(&config),
        });
        Ok(config)
    }

    fn build(
        &self,
        identity: Option<&Secret>,
        roots: Option<&Secret>,
    ) -> Result<ClientConfig, TlsError> {
        let settings = &self.settings;
        let provider = suite::provider(&settings.parameters)?;
        let roots = match &settings.trust {
            ServerTrust::Unverified => None,
            ServerTrust::Roots(name) => {
                let roots = roots.and_then(|secret| secret.roots.as_ref());
                Some(roots.ok_or_else(|| TlsError::NoRoots(name.clone()))?)
            }
        };
        let revocation = roots
            .and_then(|roots| Some((roots.store(), roots.revocation()?)))
            .map(|(store, lists)| lists.server_verifier(store, Arc::clone(&provider)))
            .transpose()
            .map_err(|error| TlsError::Settings(error.to_string()))?;
        let verifier = ServerVerifier {
            roots: roots.map(TrustedRoots::store),
            revocation,
            verify_host: settings.verify_host,
            names: settings.server_names.clone(),
            pins: settings.server_pins.clone(),
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(suite::versions(&settings.parameters))
            .map_err(TlsError::settings)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match (&settings.identity, identity) {
            (Some(name), Some(secret)) => {
                let identity = secret.identity.as_ref();
                let identity = identity.ok_or_else(|| TlsError::NoIdentity(name.clone()))?;
                let key = SingleCertAndKey::from(identity.certified_key());
                builder.with_client_cert_resolver(Arc::new(key))
            }
            _ => builder.with_no_client_auth(),
        };
        if !settings.resumption {
            config.resumption = Resumption::disabled();
        }
        config.alpn_protocols = settings
            .alpn
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Ok(config)
    }
}
