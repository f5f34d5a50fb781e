//! The server behind the measured proxy: cheap enough that the proxy is what limits.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What one byte asks a bulk connection for.
pub const BULK: usize = 1 << 20;
/// A request head of the drivers fits many times.
const STEP: usize = 16 * 1024;
/// Answers larger than this are not asked for by any case.
const LARGEST: usize = 1 << 20;
/// The body of every HTTP/2 answer; for gRPC it is one message with its header of 5 bytes.
const MESSAGE: [u8; 64] = {
    let mut message = [b'x'; 64];
    message[0] = 0;
    message[1] = 0;
    message[2] = 0;
    message[3] = 0;
    message[4] = 59;
    message
};

/// Serves until it is killed.
pub async fn run(http1: SocketAddr, http2: SocketAddr, bulk: SocketAddr) -> anyhow::Result<()> {
    let bind = async |address| {
        let listener = TcpListener::bind(address).await;
        listener.with_context(|| format!("cannot listen on {address}"))
    };
    let (http1, http2, bulk) = (bind(http1).await?, bind(http2).await?, bind(bulk).await?);
    loop {
        // A connection that fails is its client's concern.
        tokio::select! {
            accepted = http1.accept() => { tokio::spawn(serve_http1(accepted?.0)); }
            accepted = http2.accept() => { tokio::spawn(serve_http2(accepted?.0)); }
            accepted = bulk.accept() => { tokio::spawn(serve_bulk(accepted?.0)); }
        }
    }
}

async fn serve_http1(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = BytesMut::with_capacity(STEP);
    let mut answers = Vec::new();
    let mut kept: (usize, Vec<u8>) = (usize::MAX, Vec::new());
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
        answers.clear();
        while let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") {
            let size = wanted_size(&read[..end]);
            if kept.0 != size {
                kept = (size, answer(size));
            }
            answers.extend_from_slice(&kept.1);
            read.advance(end + 4);
        }
        stream.write_all(&answers).await?;
    }
}

/// The number at the end of the path; 64 without.
fn wanted_size(head: &[u8]) -> usize {
    let path = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let number = std::str::from_utf8(last)
        .ok()
        .and_then(|text| text.parse().ok());
    number.unwrap_or(64).min(LARGEST)
}

fn answer(size: usize) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {size}\r\n\r\n");
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + size, b'x');
    answer
}

async fn serve_http2(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(10_000)
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24);
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        if request.body().is_end_stream() {
            answer_stream(request.headers(), respond)?;
        } else {
            tokio::spawn(answer_after_body(request, respond));
        }
    }
    Ok(())
}

async fn answer_after_body(
    request: http::Request<h2::RecvStream>,
    respond: h2::server::SendResponse<Bytes>,
) -> anyhow::Result<()> {
    let (head, mut body) = request.into_parts();
    while let Some(data) = body.data().await {
        let length = data?.len();
        body.flow_control().release_capacity(length)?;
    }
    answer_stream(&head.headers, respond)
}

fn answer_stream(
    request: &HeaderMap,
    mut respond: h2::server::SendResponse<Bytes>,
) -> anyhow::Result<()> {
    let grpc = request.contains_key("te");
    let kind = if grpc {
        "application/grpc"
    } else {
        "text/plain"
    };
    let response = Response::builder().header("content-type", kind).body(())?;
    let mut body = respond.send_response(response, false)?;
    body.send_data(Bytes::from_static(&MESSAGE), !grpc)?;
    if grpc {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        body.send_trailers(trailers)?;
    }
    Ok(())
}

async fn serve_bulk(mut stream: TcpStream) -> anyhow::Result<()> {
    let block = vec![b'x'; 128 * 1024];
    let mut asked = [0; 64];
    loop {
        let count = stream.read(&mut asked).await?;
        if count == 0 {
            return Ok(());
        }
        for _ in 0..count {
            for _ in 0..BULK / block.len() {
                stream.write_all(&block).await?;
            }
        }
    }
}
