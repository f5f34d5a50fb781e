//! hyper's reading of the same bytes.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Room for any input, so that nobody waits for a reader.
const ROOM: usize = 1 << 16;

/// What drives hyper.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without sockets")
}

/// Method and body of the first request, if hyper's server takes all of it.
pub(crate) async fn request(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let (mut near, far) = duplex(ROOM);
    near.write_all(bytes).await.expect("there is room");
    near.shutdown().await.expect("open");
    let first = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&first);
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let method = request.method().to_string();
            // A body that breaks off or is malformed was not taken.
            let taken = request.into_body().collect().await.ok();
            let taken = taken.map(|body| (method, body.to_bytes().to_vec()));
            let mut first = seen.lock().expect("not poisoned");
            first.get_or_insert(taken);
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(far), service);
    let mut answers = Vec::new();
    let (_result, read) = tokio::join!(serving, near.read_to_end(&mut answers));
    read.expect("memory");
    let first = first.lock().expect("not poisoned").take();
    first.flatten()
}

/// Status and body of the answer to GET, if hyper's client takes all of it.
pub(crate) async fn answer(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let (near, mut far) = duplex(ROOM);
    let endpoint = async {
        // An answer that comes before the request is an error of its own.
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let count = far.read_buf(&mut request).await.expect("memory");
            assert!(count > 0, "hyper sends its request");
        }
        far.write_all(bytes).await.expect("there is room");
        far.shutdown().await.expect("open");
    };
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(near)).await;
    let (mut sender, connection) = handshake.expect("HTTP/1 has no handshake");
    let request = Request::get("/")
        .header("host", "a")
        .body(Empty::<Bytes>::new());
    let exchange = async {
        let answer = sender.send_request(request.expect("valid")).await.ok()?;
        let status = answer.status().as_str().to_owned();
        let body = answer.into_body().collect().await.ok()?;
        Some((status, body.to_bytes().to_vec()))
    };
    let ((), _result, taken) = tokio::join!(endpoint, connection, exchange);
    taken
}
