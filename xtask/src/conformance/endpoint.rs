//! Endpoints for proxies under test; their HTTP is that of a library that is not ours.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Length of the answers: more than one byte, which the tests of flow control need, and less than
/// a frame.
const ANSWER: usize = 4096;

/// A running endpoint; it ends when this is dropped.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl Endpoint {
    /// A server of HTTP/1.1 and HTTP/2 with prior knowledge. It reads each request to its end and
    /// answers 200 with a few kilobytes.
    pub fn http() -> anyhow::Result<Self> {
        Self::start(async |listener| {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        })
    }

    /// A server that hears something and hangs up without a word.
    pub fn mute() -> anyhow::Result<Self> {
        Self::start(async |listener| {
            while let Ok((mut stream, _)) = listener.accept().await {
                // Whether something came or the other side left: the connection ends here.
                let _ = stream.read(&mut [0; 1024]).await;
            }
        })
    }

    fn start<F>(accept: impl FnOnce(TcpListener) -> F) -> anyhow::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(accept(listener));
        Ok(Self {
            address,
            _runtime: runtime,
        })
    }
}

async fn serve(stream: TcpStream) {
    let builder = Builder::new(TokioExecutor::new());
    // A connection that the test breaks off on purpose is no concern of the endpoint.
    let _ = builder
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // Whatever became of the request's body, the proxy is what the test looks at.
    let _ = request.into_body().collect().await;
    Ok(Response::new(Full::new(Bytes::from_static(
        &[b'a'; ANSWER],
    ))))
}
