//! The certificate of the TLS port: signed by the authority, renewed at half of its life.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_ca::Authority;
use ferromesh_tls::{ClientAuth, Identity, SecretStore, ServerSettings, TlsServer, TrustedRoots};
use ferromesh_types::Str;
use time::OffsetDateTime;
use tracing::{info, warn};

const IDENTITY: &str = "serving";
const ROOTS: &str = "roots";
/// The wait after a renewal that failed.
const RETRY: Duration = Duration::from_mins(1);

/// A TLS server whose certificate is kept fresh.
#[derive(Debug)]
pub(crate) struct ServingIdentity {
    authority: Arc<Authority>,
    names: Vec<String>,
    store: SecretStore,
    /// The time until the next renewal.
    wait: Duration,
}

impl ServingIdentity {
    /// Issues the first certificate.
    pub(crate) fn new(authority: Arc<Authority>, names: Vec<String>) -> anyhow::Result<Self> {
        let mut identity = Self {
            authority,
            names,
            store: SecretStore::new(),
            wait: RETRY,
        };
        let roots = TrustedRoots::from_pem(identity.authority.roots().as_bytes())?;
        identity.store.set(ROOTS, roots);
        identity.wait = identity.renew()?;
        Ok(identity)
    }

    /// The server: client certificates are welcome and not required, since a proxy's first call
    /// has only a token.
    pub(crate) fn server(&self) -> TlsServer {
        let mut settings = ServerSettings::new(IDENTITY);
        settings.client_roots = Some(ROOTS.into());
        settings.client_auth = ClientAuth::Optional;
        settings.alpn = vec![Str::from("h2")];
        TlsServer::new(settings, self.store.clone())
    }

    /// Renews the certificate for ever.
    pub(crate) async fn keep_fresh(self) {
        let mut wait = self.wait;
        loop {
            tokio::time::sleep(wait).await;
            wait = match self.renew() {
                Ok(half_life) => {
                    info!("serving certificate renewed");
                    half_life
                }
                Err(error) => {
                    warn!(%error, "the serving certificate cannot be renewed");
                    RETRY
                }
            };
        }
    }

    /// Issues a certificate; gives back half of its life.
    fn renew(&self) -> anyhow::Result<Duration> {
        let now = OffsetDateTime::now_utc();
        let issued = self.authority.serving(&self.names, now)?;
        let identity = Identity::from_pem(issued.chain.as_bytes(), issued.key.as_bytes())?;
        self.store.set(IDENTITY, identity);
        let life = Duration::try_from(issued.not_after - now).unwrap_or(RETRY);
        Ok((life / 2).max(RETRY))
    }
}
