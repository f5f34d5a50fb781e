//! A gRPC server on byte streams: discovery streams and unary calls by path.
//!
//! In: an accepted byte stream (after TLS), the routes, and what is known of the peer as request
//! extensions. Discovery streams reach a handler as [`OpenStream`].

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Extensions, HeaderMap, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

pub use super::body::Outgoing;
use super::body::ResponseBody;
use super::codec::RequestDecoder;
use super::{MAX_REQUEST_BYTES, path};
use crate::{Request, Variant};

/// Istio's keepalive on the server side.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long a keepalive may stay unanswered.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// What HTTP/2 may buffer per connection before the socket takes it. A client that reads slowly must
/// not cost a copy of its configuration.
const SEND_BUFFER: usize = 64 * 1024;
/// Responses that may wait for the peer: one in the making, one behind it.
const WAITING_RESPONSES: usize = 1;

/// A discovery stream that a client opened.
#[derive(Debug)]
pub struct OpenStream {
    /// Which protocol the client speaks.
    pub variant: Variant,
    /// The headers of the call.
    pub headers: HeaderMap,
    /// What the acceptor knows of the peer.
    pub extensions: Extensions,
    /// The client's requests.
    pub requests: RequestStream,
    /// The responses. Sending waits while the client does not read; dropping ends the stream.
    pub responses: mpsc::Sender<Outgoing>,
}

/// The requests of a stream.
#[derive(Debug)]
pub struct RequestStream(Streaming<Request>);

impl RequestStream {
    /// The next request; `None` when the client has ended its side. Safe to drop while it waits.
    ///
    /// # Errors
    /// When the connection broke or a message cannot be decoded.
    pub async fn next(&mut self) -> Result<Option<Request>, Status> {
        self.0.message().await
    }
}

/// Takes a stream over, or refuses it.
pub type StreamHandler = dyn Fn(OpenStream) -> Result<(), Status> + Send + Sync;

type Route =
    dyn Fn(http::Request<Incoming>) -> BoxFuture<'static, http::Response<Body>> + Send + Sync;

/// The calls that a server answers, by path.
#[derive(Clone, Default)]
pub struct Routes(HashMap<&'static str, Arc<Route>>);

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Routes {
    /// Answers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the aggregated discovery service, in both variants.
    pub fn aggregated_discovery(self, handler: Arc<StreamHandler>) -> Self {
        self.discovery(path::ADS_DELTA, Variant::Delta, Arc::clone(&handler))
            .discovery(path::ADS_WORLD, Variant::StateOfTheWorld, handler)
    }

    /// Adds the secret discovery service, in both streaming variants.
    pub fn secret_discovery(self, handler: Arc<StreamHandler>) -> Self {
        self.discovery(path::SDS_DELTA, Variant::Delta, Arc::clone(&handler))
            .discovery(path::SDS_WORLD, Variant::StateOfTheWorld, handler)
    }

    fn discovery(
        mut self,
        path: &'static str,
        variant: Variant,
        handler: Arc<StreamHandler>,
    ) -> Self {
        let route = move |request: http::Request<Incoming>| -> BoxFuture<'static, _> {
            let response = open_stream(variant, request, &*handler);
            Box::pin(std::future::ready(response))
        };
        self.0.insert(path, Arc::new(route));
        self
    }

    /// Adds a call with one request and one response. The handler finds headers and peer in the
    /// request's metadata and extensions.
    pub fn unary<Q, S, F, U>(mut self, path: &'static str, handler: F) -> Self
    where
        Q: Message + Default + Send + 'static,
        S: Message + Send + 'static,
        F: Fn(tonic::Request<Q>) -> U + Clone + Send + Sync + 'static,
        U: Future<Output = Result<S, Status>> + Send + 'static,
    {
        let route = move |request: http::Request<Incoming>| -> BoxFuture<'static, _> {
            let handler = handler.clone();
            Box::pin(async move {
                let service = tower::service_fn(move |request: tonic::Request<Q>| {
                    let answer = handler(request);
                    async move { answer.await.map(tonic::Response::new) }
                });
                tonic::server::Grpc::new(ProstCodec::<S, Q>::default())
                    .max_decoding_message_size(MAX_REQUEST_BYTES)
                    .unary(service, request)
                    .await
            })
        };
        self.0.insert(path, Arc::new(route));
        self
    }

    async fn call(&self, request: http::Request<Incoming>) -> http::Response<Body> {
        match self.0.get(request.uri().path()) {
            Some(route) => route(request).await,
            None => Status::unimplemented(format!("{} is not served here", request.uri().path()))
                .into_http(),
        }
    }
}

fn open_stream(
    variant: Variant,
    request: http::Request<Incoming>,
    handler: &StreamHandler,
) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let requests =
        Streaming::new_request(RequestDecoder(variant), body, None, Some(MAX_REQUEST_BYTES));
    let (responses, outgoing) = mpsc::channel(WAITING_RESPONSES);
    let stream = OpenStream {
        variant,
        headers: parts.headers,
        extensions: parts.extensions,
        requests: RequestStream(requests),
        responses,
    };
    if let Err(status) = handler(stream) {
        return status.into_http();
    }
    let mut response = http::Response::new(Body::new(ResponseBody::new(outgoing)));
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}

/// Serves one connection until the peer leaves or `stop` resolves; then open calls may finish.
///
/// # Errors
/// When the connection broke.
pub async fn serve_connection<S>(
    stream: S,
    routes: Arc<Routes>,
    peer: Extensions,
    stop: impl Future<Output = ()>,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().extend(peer.clone());
        let routes = Arc::clone(&routes);
        async move { Ok::<_, Infallible>(routes.call(request).await) }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_send_buf_size(SEND_BUFFER);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection, stop);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
