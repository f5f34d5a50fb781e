//! Connections to the control plane: TLS over TCP, and the headers that say who calls.
//!
//! Roots, token and client certificate are read again for every connection: all of them rotate
//! while the process runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ferromesh_tls::TlsClient;
use ferromesh_xds::transport::client::{BoxedStream, CallMetadata, Connector, channel};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tonic::transport::Channel;

use crate::settings::{ControlPlaneSettings, TrustedRoots};

/// The time for TCP and TLS together; the same as the agent of Istio has.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One server of the control plane.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    settings: Arc<ControlPlaneSettings>,
}

impl ControlPlane {
    /// The server with these settings. Nothing is opened yet.
    pub fn new(settings: ControlPlaneSettings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        self.settings.address.to_string()
    }

    /// Opens byte streams to it.
    pub fn connector(&self) -> Arc<dyn Connector> {
        let settings = Arc::clone(&self.settings);
        Arc::new(move || {
            let settings = Arc::clone(&settings);
            async move {
                let opening = tokio::time::timeout(CONNECT_TIMEOUT, open(&settings));
                let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
                let opened = opening.await.map_err(timed_out).flatten();
                opened.map_err(|error| named(&settings, &error))
            }
            .boxed()
        })
    }

    /// Gives the headers of a call.
    pub fn metadata(&self) -> Arc<CallMetadata> {
        let settings = Arc::clone(&self.settings);
        Arc::new(move || headers(&settings))
    }

    /// A channel for single calls; it connects when first used.
    pub fn channel(&self) -> io::Result<Channel> {
        channel(&self.authority(), self.connector())
    }
}

fn named(settings: &ControlPlaneSettings, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("connecting to {}: {error}", settings.address),
    )
}

async fn open(settings: &ControlPlaneSettings) -> io::Result<BoxedStream> {
    let address = &settings.address;
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let Some(roots) = &settings.roots else {
        return Ok(Box::new(stream));
    };
    let client = client(settings, roots).await?;
    let secured = client.connect(stream, Some(&address.host), None).await;
    Ok(Box::new(secured.map_err(io::Error::other)?))
}

async fn client(settings: &ControlPlaneSettings, roots: &TrustedRoots) -> io::Result<TlsClient> {
    let roots = match roots {
        TrustedRoots::File(path) => {
            let missing = |error| io::Error::other(format!("{}: {error}", path.display()));
            tokio::fs::read(path).await.map_err(missing)?
        }
        TrustedRoots::System => system_roots()?,
    };
    let identity = client_certificate(settings).await;
    let identity = identity
        .as_ref()
        .map(|(chain, key)| (chain.as_slice(), key.as_slice()));
    TlsClient::from_pem(&roots, identity, &["h2"]).map_err(io::Error::other)
}

fn system_roots() -> io::Result<Vec<u8>> {
    const BUNDLES: [&str; 2] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/cert.pem",
    ];
    let read = |path: &&str| std::fs::read(path).ok();
    let found = BUNDLES.iter().find_map(read);
    found.ok_or_else(|| io::Error::other("this system has no bundle of trusted roots"))
}

/// Only machines outside the cluster have one; a missing file means that there is none yet.
async fn client_certificate(settings: &ControlPlaneSettings) -> Option<(Vec<u8>, Vec<u8>)> {
    let folder = settings.client_certificate.as_ref()?;
    let chain = tokio::fs::read(folder.join("cert-chain.pem")).await.ok()?;
    let key = tokio::fs::read(folder.join("key.pem")).await.ok()?;
    Some((chain, key))
}

fn headers(settings: &ControlPlaneSettings) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token(settings)? {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| io::Error::other("the token has control characters"))?;
        value.set_sensitive(true);
        headers.insert(http::header::AUTHORIZATION, value);
    }
    let named = [("clusterid".to_owned(), settings.cluster_id.clone())];
    for (name, value) in named.into_iter().chain(settings.headers.iter().cloned()) {
        let bad = || io::Error::other(format!("{name} is no usable header"));
        let name_read = HeaderName::try_from(&name).map_err(|_| bad())?;
        headers.insert(name_read, HeaderValue::try_from(&value).map_err(|_| bad())?);
    }
    Ok(headers)
}

/// No token is fine for plain text and where a client certificate says who we are.
fn token(settings: &ControlPlaneSettings) -> io::Result<Option<String>> {
    match std::fs::read_to_string(&settings.token) {
        Ok(token) => Ok(Some(token.trim().to_owned())),
        Err(_) if settings.roots.is_none() || settings.client_certificate.is_some() => Ok(None),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!(
                "reading the service account token {}: {error}",
                settings.token.display()
            ),
        )),
    }
}
