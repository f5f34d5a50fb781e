//! The HTTP server that all stand-ins share: HTTP/1.1 and HTTP/2 with prior knowledge on one port,
//! one log line a request, and SIGTERM that lets requests in flight finish.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferromesh_tls::{ClientAuth, TlsServer};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What the handlers get: the request, and where it came from and arrived.
pub(crate) struct Call {
    pub(crate) request: Request<Incoming>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: Option<SocketAddr>,
    /// The server name of the client's TLS.
    pub(crate) server_name: Option<String>,
}

/// A socket that is listened on.
pub(crate) struct Entrance {
    listener: TcpListener,
    tls: Option<Arc<TlsServer>>,
}

impl Entrance {
    /// One for plaintext.
    pub(crate) async fn plain(address: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        info!(address = %listener.local_addr()?, "listening");
        Ok(Self {
            listener,
            tls: None,
        })
    }

    /// One for TLS, with a certificate for `name` that nobody signed.
    pub(crate) async fn tls(address: &str, name: &str) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let open = ClientAuth::None;
        let protocols = &["http/1.1"];
        let server = TlsServer::from_pem(chain.as_bytes(), key.as_bytes(), None, open, protocols)?;
        let plain = Self::plain(address).await?;
        Ok(Self {
            tls: Some(Arc::new(server)),
            ..plain
        })
    }
}

/// How an answer ends the connection.
pub(crate) enum Answer {
    Reply(Response<Body>),
    /// The connection is closed without an answer.
    Drop,
}

/// After SIGTERM, requests in flight may take this long.
const GRACE: Duration = Duration::from_secs(10);

/// A TLS handshake that takes longer has failed.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);

/// The largest body that a stand-in reads.
const LARGEST_BODY: usize = 16 << 20;

/// Serves until SIGTERM.
pub(crate) async fn serve<F, R>(address: &str, handler: F) -> anyhow::Result<()>
where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    serve_all(vec![Entrance::plain(address).await?], handler).await
}

/// Serves all entrances until SIGTERM.
pub(crate) async fn serve_all<F, R>(entrances: Vec<Entrance>, handler: F) -> anyhow::Result<()>
where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let handler = Arc::new(handler);
    let (stop, stopped) = watch::channel(false);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let mut accepting = tokio::task::JoinSet::new();
    for entrance in entrances {
        accepting.spawn(accept(entrance, Arc::clone(&handler), stopped.clone()));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // Closes the listening sockets.
    accepting.shutdown().await;
    drop(stopped);
    stop.send_replace(true);
    let _ = tokio::time::timeout(GRACE, stop.closed()).await;
    Ok(())
}

async fn accept<F, R>(entrance: Entrance, handler: Arc<F>, stopped: watch::Receiver<bool>)
where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    loop {
        match entrance.listener.accept().await {
            Ok((stream, peer)) => {
                // Small answers must not wait for an acknowledgement.
                let _ = stream.set_nodelay(true);
                let came = (peer, stream.local_addr().ok());
                let (handler, stopped) = (Arc::clone(&handler), stopped.clone());
                match &entrance.tls {
                    None => tokio::spawn(connection(stream, came, None, handler, stopped)),
                    Some(tls) => {
                        tokio::spawn(secured(Arc::clone(tls), stream, came, handler, stopped))
                    }
                };
            }
            Err(error) => warn!(%error, "cannot accept a connection"),
        }
    }
}

/// The peer's address, and ours.
type Came = (SocketAddr, Option<SocketAddr>);

async fn secured<F, R>(
    tls: Arc<TlsServer>,
    stream: tokio::net::TcpStream,
    came: Came,
    handler: Arc<F>,
    stopped: watch::Receiver<bool>,
) where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    match tokio::time::timeout(LONGEST_HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let name = stream.server_name().map(str::to_owned);
            connection(stream, came, name, handler, stopped).await;
        }
        Ok(Err(error)) => info!(%error, "the TLS handshake failed"),
        Err(_) => info!("the TLS handshake took too long"),
    }
}

async fn connection<S, F, R>(
    stream: S,
    (peer, local): Came,
    server_name: Option<String>,
    handler: Arc<F>,
    mut stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        let call = Call {
            request,
            peer,
            local,
            server_name: server_name.clone(),
        };
        async move { answer(&*handler, call).await }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// Ends the connection without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

async fn answer<F, R>(handler: &F, call: Call) -> Result<Response<Body>, Dropped>
where
    F: Fn(Call) -> R,
    R: Future<Output = Answer>,
{
    let method = call.request.method().clone();
    let path = call.request.uri().path().to_owned();
    let host = host_of(&call.request);
    match handler(call).await {
        Answer::Reply(response) => {
            info!(%host, %method, path, status = response.status().as_u16(), "request");
            Ok(response)
        }
        Answer::Drop => {
            info!(%host, %method, path, status = "dropped", "request");
            Err(Dropped)
        }
    }
}

/// The host that was asked for.
pub(crate) fn host_of(request: &Request<Incoming>) -> String {
    let header = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    header
        .or(request.uri().authority().map(http::uri::Authority::as_str))
        .unwrap_or("-")
        .to_owned()
}

/// The whole body of a request; longer ones than a stand-in reads are cut off.
pub(crate) async fn read_body(body: Incoming) -> Bytes {
    let limited = http_body_util::Limited::new(body, LARGEST_BODY);
    limited
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default()
}

/// A whole body.
pub(crate) fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// An answer with a status, a content type and a body.
pub(crate) fn reply(status: StatusCode, content_type: &str, content: impl Into<Bytes>) -> Answer {
    Answer::Reply(response(status, content_type, content))
}

/// The response of [`reply`], to be changed further.
pub(crate) fn response(
    status: StatusCode,
    content_type: &str,
    content: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(body(content));
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}
