//! The HTTP/1.1 client of the stand-ins, with kept connections like the originals' clients.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A whole answer.
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Makes calls; idle connections are kept by authority.
#[derive(Default)]
pub(crate) struct Client {
    idle: Mutex<HashMap<String, Vec<SendRequest<Full<Bytes>>>>>,
    /// Whether each call uses a connection of its own.
    fresh_connections: bool,
}

/// A call that hangs longer than this has failed.
const LONGEST_CALL: Duration = Duration::from_secs(30);

impl Client {
    /// A client that keeps idle connections, or uses a new one each time.
    pub(crate) fn new(keep_alive: bool) -> Self {
        Self {
            fresh_connections: !keep_alive,
            ..Self::default()
        }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// When the URL cannot be used or the peer does not answer.
    pub(crate) async fn fetch(
        &self,
        method: Method,
        url: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> io::Result<Fetched> {
        let call = self.call(method, url, headers, body);
        tokio::time::timeout(LONGEST_CALL, call)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the call took too long"))?
    }

    async fn call(
        &self,
        method: Method,
        url: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> io::Result<Fetched> {
        let uri: Uri = url.parse().map_err(io::Error::other)?;
        let host = uri
            .authority()
            .ok_or_else(|| io::Error::other("the URL has no host"))?;
        let authority = host.as_str().to_owned();
        let address = if host.port().is_some() {
            authority.clone()
        } else {
            format!("{host}:80")
        };
        let path = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &authority)
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        for (name, value) in headers {
            request.headers_mut().append(name, value.clone());
        }
        if self.fresh_connections {
            request
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut sender = self.connection(&address).await?;
        let response = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if !self.fresh_connections {
            self.keep(address, sender);
        }
        Ok(Fetched {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    async fn connection(&self, address: &str) -> io::Result<SendRequest<Full<Bytes>>> {
        while let Some(mut idle) = self.take(address) {
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn take(&self, address: &str) -> Option<SendRequest<Full<Bytes>>> {
        self.idle
            .lock()
            .expect("no holder panics")
            .get_mut(address)?
            .pop()
    }

    fn keep(&self, address: String, sender: SendRequest<Full<Bytes>>) {
        if !sender.is_closed() {
            self.idle
                .lock()
                .expect("no holder panics")
                .entry(address)
                .or_default()
                .push(sender);
        }
    }
}

/// The headers that the originals pass on: those that start with `x-`, and `Authorization`; of
/// each the first value.
pub(crate) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let passes =
        |name: &HeaderName| name.as_str().starts_with("x-") || name == header::AUTHORIZATION;
    let mut passed = HeaderMap::new();
    for name in headers.keys().filter(|name| passes(name)) {
        if let Some(value) = headers.get(name) {
            passed.insert(name.clone(), value.clone());
        }
    }
    passed
}
