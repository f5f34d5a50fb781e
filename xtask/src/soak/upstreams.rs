//! What the proxy forwards to: HTTP/1.1 and HTTP/2 servers that echo, and a TCP server that does.

use std::convert::Infallible;

use anyhow::Context;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

/// The ports of the servers.
#[derive(Clone, Copy, Debug)]
pub struct Upstreams {
    pub http: [u16; 2],
    pub tcp: u16,
}

/// The body of `/big`: more than the buffers on the way hold.
const BIG: usize = 512 * 1024;

pub async fn start() -> anyhow::Result<Upstreams> {
    Ok(Upstreams {
        http: [serve(http).await?, serve(http).await?],
        tcp: serve(echo).await?,
    })
}

async fn serve<F>(handle: fn(TcpStream) -> F) -> anyhow::Result<u16>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("an upstream")?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    Ok(port)
}

async fn echo(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    // The client's end is the end, in order or not.
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

async fn http(stream: TcpStream) {
    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    let connection =
        server.serve_connection_with_upgrades(TokioIo::new(stream), service_fn(answer));
    // Clients that break off are part of the soak.
    let _ = connection.await;
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    if request.headers().contains_key(header::UPGRADE) {
        return Ok(upgrade(&mut request));
    }
    let is_grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let is_big = request.uri().path() == "/big";
    let has_body = request.method() == Method::POST;
    let sent = request.into_body().collect().await?.to_bytes();
    let body = match (is_big, has_body) {
        (true, _) => Bytes::from(vec![b'x'; BIG]),
        (_, true) => sent,
        _ => Bytes::from_static(b"hello"),
    };
    if !is_grpc {
        return Ok(Response::new(Full::new(body).boxed_unsync()));
    }
    let trailers = HeaderMap::from_iter([(
        header::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let trailers = std::future::ready(Some(Ok(trailers)));
    let mut response = Response::new(Full::new(body).with_trailers(trailers).boxed_unsync());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Echoes after the upgrade, as a WebSocket server without frames of its own.
fn upgrade(request: &mut Request<Incoming>) -> Response<Body> {
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(stream) = upgraded.await {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(stream));
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
    });
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response
}
