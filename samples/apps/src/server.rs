//! The HTTP server that all stand-ins share: HTTP/1.1 and HTTP/2 with prior knowledge on one port,
//! one log line a request, and SIGTERM that lets requests in flight finish.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What the handlers get: the request with the peer's address.
pub(crate) struct Call {
    pub(crate) request: Request<Incoming>,
    pub(crate) peer: SocketAddr,
}

/// How an answer ends the connection.
pub(crate) enum Answer {
    Reply(Response<Body>),
    /// The connection is closed without an answer.
    Drop,
}

/// After SIGTERM, requests in flight may take this long.
const GRACE: Duration = Duration::from_secs(10);

/// The largest body that a stand-in reads.
const LARGEST_BODY: usize = 16 << 20;

/// Serves until SIGTERM.
pub(crate) async fn serve<F, R>(address: &str, handler: F) -> anyhow::Result<()>
where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind(address).await?;
    info!(address = %listener.local_addr()?, "listening");
    let handler = Arc::new(handler);
    let (stop, stopped) = watch::channel(false);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Small answers must not wait for an acknowledgement.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection(stream, peer, Arc::clone(&handler), stopped.clone()));
                }
                Err(error) => warn!(%error, "cannot accept a connection"),
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop((listener, stopped));
    stop.send_replace(true);
    let _ = tokio::time::timeout(GRACE, stop.closed()).await;
    Ok(())
}

async fn connection<F, R>(
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    handler: Arc<F>,
    mut stopped: watch::Receiver<bool>,
) where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { answer(&*handler, Call { request, peer }).await }
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
