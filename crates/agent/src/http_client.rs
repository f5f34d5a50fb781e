//! Small HTTP/1.1 requests to neighbours: the application's probes and metrics, Envoy's admin port.
//!
//! One connection per request, a limit on time and on the size of the answer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use ferromesh_net::{Address, ConnectSettings, connect};
use ferromesh_tls::{ClientSettings, SecretStore, ServerTrust, TlsClient};
use ferromesh_xds::transport::client::BoxedStream;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use thiserror::Error;

/// Whom to ask and how patiently.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Address and port.
    pub address: SocketAddr,
    /// Local address to ask from.
    pub source: Option<IpAddr>,
    /// With TLS, whatever certificate is shown.
    pub unverified_tls: bool,
    /// For connection, request and answer together.
    pub timeout: Duration,
    /// The largest answer in bytes.
    pub limit: usize,
}

impl Peer {
    /// Plain text on the loopback address.
    pub fn local(port: u16, timeout: Duration) -> Self {
        Self {
            address: ([127, 0, 0, 1], port).into(),
            source: None,
            unverified_tls: false,
            timeout,
            limit: 10 << 20,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The connection failed.
    #[error("connecting to {address}: {reason}")]
    Connect {
        /// Whom.
        address: SocketAddr,
        /// What failed.
        reason: io::Error,
    },
    /// The request failed on the way.
    #[error("asking {address}: {reason}")]
    Request {
        /// Whom.
        address: SocketAddr,
        /// What failed.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Too slow.
    #[error("{address} did not answer within {timeout:?}")]
    TimedOut {
        /// Whom.
        address: SocketAddr,
        /// The limit.
        timeout: Duration,
    },
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// See [`FetchError`]; any status is an answer.
pub async fn fetch(
    peer: &Peer,
    request: http::Request<Full<Bytes>>,
) -> Result<http::Response<Bytes>, FetchError> {
    let (address, timeout) = (peer.address, peer.timeout);
    let exchange = Box::pin(exchange(peer, request));
    let timed_out = |_| FetchError::TimedOut { address, timeout };
    tokio::time::timeout(timeout, exchange)
        .await
        .map_err(timed_out)
        .flatten()
}

/// A request without a body.
///
/// # Errors
/// See [`FetchError`].
pub async fn request(
    peer: &Peer,
    method: http::Method,
    path_and_query: &str,
) -> Result<http::Response<Bytes>, FetchError> {
    let request = http::Request::builder()
        .method(method)
        .uri(path_and_query)
        .header(http::header::HOST, peer.address.to_string())
        .body(Full::default());
    let request = request.map_err(|reason| FetchError::Request {
        address: peer.address,
        reason: reason.into(),
    })?;
    fetch(peer, request).await
}

/// Opens the connection, also for other protocols than HTTP.
///
/// # Errors
/// [`FetchError::Connect`].
pub async fn open(peer: &Peer) -> Result<BoxedStream, FetchError> {
    let failed = |reason| FetchError::Connect {
        address: peer.address,
        reason,
    };
    let settings = ConnectSettings {
        source: peer.source.map(|source| SocketAddr::new(source, 0)),
        ..ConnectSettings::default()
    };
    let stream = connect(&Address::Ip(peer.address), &settings)
        .await
        .map_err(failed)?;
    if !peer.unverified_tls {
        return Ok(Box::new(stream));
    }
    let mut settings = ClientSettings::new("unused");
    settings.trust = ServerTrust::Unverified;
    settings.verify_host = false;
    let client = TlsClient::new(settings, SecretStore::new());
    let secured = client.connect(stream, None, None).await;
    Ok(Box::new(secured.map_err(io::Error::other).map_err(failed)?))
}

async fn exchange(
    peer: &Peer,
    request: http::Request<Full<Bytes>>,
) -> Result<http::Response<Bytes>, FetchError> {
    let failed = |reason| FetchError::Request {
        address: peer.address,
        reason,
    };
    let stream = TokioIo::new(open(peer).await?);
    let handshake = hyper::client::conn::http1::handshake(stream).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(error.into()))?;
    // Ends with the sender; its error also reaches the request.
    tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| failed(error.into()))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, peer.limit)
        .collect()
        .await
        .map_err(failed)?;
    Ok(http::Response::from_parts(parts, body.to_bytes()))
}
