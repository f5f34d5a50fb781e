//! Bytes that travel inside of a request: CONNECT and POST.

use std::net::SocketAddr;

use ferromesh_proxy::ProxyHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::tcp::{endpoint, start};

const CONNECT: &str = "tunneling_config: {hostname: \"deep.example:443\", headers_to_add: \
    [{header: {key: X-From, value: \"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\"}}]}, ";
const POST: &str = "tunneling_config: {hostname: deep.example, use_post: true, post_path: /in}, ";

/// A proxy whose tunnels go to the endpoint.
async fn tunnelling(tunnel: &str) -> (TcpListener, ProxyHandle, SocketAddr) {
    let (endpoint, at) = endpoint().await;
    let (proxy, address) = start(("", tunnel, ""), &[at]).await;
    (endpoint, proxy, address)
}

/// What comes up to and with `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let byte = stream.read_u8().await.expect("more");
        seen.push(byte);
    }
    String::from_utf8(seen).expect("text")
}

#[tokio::test]
async fn bytes_follow_a_connect_that_the_endpoint_agrees_to() {
    let (endpoint, _proxy, address) = tunnelling(CONNECT).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    client.write_all(b"question").await.expect("sent");
    let (mut stream, _) = endpoint.accept().await.expect("the proxy");
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(
        head,
        "CONNECT deep.example:443 HTTP/1.1\r\nhost: deep.example:443\r\nx-from: 127.0.0.1\r\n\r\n"
    );
    // Fields about a body mean nothing here (RFC 9110 section 9.3.6).
    let agreed = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ngreeting ";
    stream.write_all(agreed).await.expect("sent");
    assert_eq!(read_until(&mut stream, "question").await, "question");
    client.shutdown().await.expect("half-closed");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end"), 0);
    stream.write_all(b"answer").await.expect("sent");
    drop(stream);
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.expect("text");
    assert_eq!(heard, "greeting answer");
}

#[tokio::test]
async fn bytes_are_the_chunks_of_a_post() {
    let (endpoint, _proxy, address) = tunnelling(POST).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    client.write_all(b"question").await.expect("sent");
    let (mut stream, _) = endpoint.accept().await.expect("the proxy");
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("POST /in HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: deep.example\r\n"), "{head}");
    let answer = b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n6\r\nanswer\r\n";
    stream.write_all(answer).await.expect("sent");
    assert_eq!(
        read_until(&mut stream, "question\r\n").await,
        "8\r\nquestion\r\n"
    );
    client.shutdown().await.expect("half-closed");
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "0\r\n\r\n");
    stream.write_all(b"0\r\n\r\n").await.expect("sent");
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.expect("text");
    assert_eq!(heard, "answer");
}

#[tokio::test]
async fn a_tunnel_that_is_refused_is_tried_again_and_then_given_up() {
    let tunnel = format!("{CONNECT}max_connect_attempts: 2, ");
    let (endpoint, _proxy, address) = tunnelling(&tunnel).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    for _ in 0..2 {
        let (mut stream, _) = endpoint.accept().await.expect("the proxy");
        read_until(&mut stream, "\r\n\r\n").await;
        let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(refusal).await.expect("sent");
    }
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.expect("an end");
    assert_eq!(heard, "");
}
