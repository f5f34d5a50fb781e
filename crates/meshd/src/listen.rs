//! Ports that speak gRPC: accept, TLS handshake, and then the connection's own task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ferromesh_runtime::DrainSignal;
use ferromesh_tls::TlsServer;
use ferromesh_types::Str;
use ferromesh_xds::transport::server::{Routes, serve_connection};
use http::Extensions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::xds::authenticate::Peer;

/// A handshake that takes longer is not one.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The pause after an accept that failed for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens a port.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; is another control plane running?"))
}

/// How connections of a port are secured.
#[derive(Clone, Debug)]
pub(crate) enum Security {
    /// Not at all.
    Plaintext,
    /// By TLS.
    Tls(Arc<TlsServer>),
}

/// A port that speaks gRPC.
#[derive(Debug)]
pub(crate) struct GrpcPort {
    /// The open port.
    pub(crate) listener: TcpListener,
    /// The calls that it answers.
    pub(crate) routes: Arc<Routes>,
    /// TLS or not.
    pub(crate) security: Security,
    /// Whether callers must prove who they are.
    pub(crate) must_authenticate: bool,
    /// The end of the process.
    pub(crate) drain: DrainSignal,
}

impl GrpcPort {
    /// Accepts until the process ends.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.drain.begun() => return Ok(()),
            };
            match accepted {
                Ok((stream, peer)) => self.start(stream, peer),
                Err(error) => {
                    warn!(%error, "accepting a connection failed");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream, address: SocketAddr) {
        // Responses are written whole; waiting for more to come would only delay them.
        let _ = stream.set_nodelay(true);
        let routes = Arc::clone(&self.routes);
        let mut drain = self.drain.clone();
        // The process must not leave before the last frames are written.
        let until_written = self.drain.clone();
        let mut peer = Peer {
            address: Str::from(address.to_string()),
            spiffe_id: None,
            must_authenticate: self.must_authenticate,
        };
        let security = self.security.clone();
        tokio::spawn(async move {
            let stop = async move { drain.begun().await };
            match security {
                Security::Plaintext => serve(stream, routes, peer, stop).await,
                Security::Tls(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let certificate = stream.session().peer;
                        peer.spiffe_id = certificate.and_then(|c| c.spiffe_id().cloned());
                        serve(stream, routes, peer, stop).await;
                    }
                    Ok(Err(error)) => debug!(%address, %error, "TLS handshake failed"),
                    Err(_) => debug!(%address, "TLS handshake took too long"),
                },
            }
            drop(until_written);
        });
    }
}

async fn serve<S>(stream: S, routes: Arc<Routes>, peer: Peer, stop: impl Future<Output = ()>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let address = peer.address.clone();
    let mut extensions = Extensions::new();
    extensions.insert(peer);
    if let Err(error) = serve_connection(stream, routes, extensions, stop).await {
        debug!(%address, %error, "connection ended");
    }
}
