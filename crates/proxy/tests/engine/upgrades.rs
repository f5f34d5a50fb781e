//! Tunnels that a request opens: WebSocket as an HTTP/1.1 upgrade and as an extended CONNECT
//! (RFC 8441), and the bridges between the two.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::peers::{Client, Fixture, Setup, field};

const ALLOWED: &str = ", upgrade_configs: [{upgrade_type: websocket}]";

/// The proxy between a client and `endpoint`.
async fn bridge(endpoint: SocketAddr, http2: bool) -> Fixture {
    let setup = Setup {
        manager: ALLOWED,
        http2,
        ..Setup::to(endpoint)
    };
    setup.start().await
}

/// An HTTP/2 endpoint that opens a tunnel for WebSocket and sends every piece back reversed, or
/// refuses what is for `/no`.
async fn http2_endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.enable_connect_protocol();
                let handshake = builder.handshake::<_, Bytes>(stream);
                let mut connection = handshake.await.expect("HTTP/2");
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(serve_tunnel(request, respond));
                }
            });
        }
    });
    address
}

async fn serve_tunnel(request: Request<RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    assert_eq!(request.method(), Method::CONNECT);
    let protocol = request.extensions().get::<Protocol>().expect("extended");
    assert_eq!(protocol.as_str(), "websocket");
    assert_eq!(request.headers().get("upgrade"), None);
    assert_eq!(request.headers().get("connection"), None);
    assert_eq!(request.headers()["sec-websocket-version"], "13");
    if request.uri().path() == "/no" {
        let response = Response::builder().status(404).body(()).expect("valid");
        respond.send_response(response, true).expect("sent");
        return;
    }
    assert_eq!(request.uri().path(), "/chat");
    let mut body = request.into_body();
    let mut send = respond
        .send_response(Response::new(()), false)
        .expect("sent");
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        send.send_data(reversed(&data), false).expect("sent");
    }
    send.send_data(Bytes::from_static(b"bye"), true)
        .expect("sent");
}

fn reversed(bytes: &[u8]) -> Bytes {
    bytes.iter().rev().copied().collect()
}

/// An HTTP/1.1 endpoint that accepts one upgrade and reverses what it reads until it has read
/// everything.
async fn http1_endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a byte"));
        }
        let head = String::from_utf8_lossy(&request).to_lowercase();
        assert!(head.starts_with("get /chat http/1.1\r\n"), "{head}");
        assert!(head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("connection: upgrade\r\n"), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(!head.contains(":protocol"), "{head}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                       upgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        let mut bytes = [0; 16];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            let answer = reversed(&bytes[..count]);
            stream.write_all(&answer).await.expect("sent");
        }
        stream.write_all(b"bye").await.expect("sent");
    });
    address
}

/// A connection to the proxy that knows that extended CONNECT is offered.
async fn http2_client(fixture: &Fixture) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(fixture.address)
        .await
        .expect("connected");
    let handshake = h2::client::handshake(stream).await;
    let (mut sender, connection) = handshake.expect("HTTP/2");
    tokio::spawn(connection);
    while !sender.is_extended_connect_protocol_enabled() {
        sender = sender.ready().await.expect("open");
        tokio::task::yield_now().await;
    }
    sender
}

async fn open_tunnel(fixture: &Fixture, path: &str) -> (StatusCode, RecvStream, SendStream<Bytes>) {
    let mut sender = http2_client(fixture).await.ready().await.expect("open");
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://shop{path}"))
        .header("sec-websocket-version", "13")
        .extension(Protocol::from_static("websocket"))
        .body(())
        .expect("valid");
    let (response, send) = sender.send_request(request, false).expect("sent");
    let response = response.await.expect("an answer");
    assert_eq!(response.headers().get("connection"), None);
    assert_eq!(response.headers().get("upgrade"), None);
    let status = response.status();
    (status, response.into_body(), send)
}

async fn piece(body: &mut RecvStream) -> Bytes {
    let data = body.data().await.expect("a piece").expect("data");
    let _ = body.flow_control().release_capacity(data.len());
    data
}

/// Talks over an open tunnel, ends the sending side first, and hears the other side to its end.
async fn talk(mut body: RecvStream, mut send: SendStream<Bytes>) {
    for question in ["ping", "abc"] {
        send.send_data(question.into(), false).expect("sent");
        assert_eq!(piece(&mut body).await, reversed(question.as_bytes()));
    }
    send.send_data(Bytes::new(), true).expect("sent");
    assert_eq!(piece(&mut body).await, "bye");
    while let Some(data) = body.data().await {
        assert_eq!(data.expect("an orderly end"), "");
    }
}

#[tokio::test]
async fn an_extended_connect_passes_from_http2_to_http2() {
    let fixture = bridge(http2_endpoint().await, true).await;
    let (status, body, send) = open_tunnel(&fixture, "/chat").await;
    assert_eq!(status, 200);
    talk(body, send).await;
}

#[tokio::test]
async fn an_extended_connect_becomes_an_upgrade_for_an_http1_endpoint() {
    let fixture = bridge(http1_endpoint().await, false).await;
    let (status, body, send) = open_tunnel(&fixture, "/chat").await;
    assert_eq!(status, 200);
    talk(body, send).await;
}

const UPGRADE: &str = " HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\n\r\n";

#[tokio::test]
async fn an_upgrade_becomes_an_extended_connect_for_an_http2_endpoint() {
    let fixture = bridge(http2_endpoint().await, true).await;
    let mut client = Client::connect(fixture.address).await;
    client.send(format!("GET /chat{UPGRADE}").as_bytes()).await;
    let answer = client.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 101 "), "{}", answer.head);
    assert_eq!(field(&answer.head, "upgrade"), Some("websocket"));
    assert_eq!(
        field(&answer.head, "connection").map(str::to_ascii_lowercase),
        Some("upgrade".to_owned())
    );
    client.send(b"ping").await;
    let mut heard = [0; 4];
    client.0.read_exact(&mut heard).await.expect("an answer");
    assert_eq!(&heard, b"gnip");
    client.0.get_mut().shutdown().await.expect("half-closed");
    assert_eq!(client.rest().await, "bye");
}

#[tokio::test]
async fn a_refused_extended_connect_is_an_ordinary_answer_on_either_side() {
    let fixture = bridge(http2_endpoint().await, true).await;
    let (status, mut body, _send) = open_tunnel(&fixture, "/no").await;
    assert_eq!(status, 404);
    assert!(body.data().await.is_none());
    let mut client = Client::connect(fixture.address).await;
    client.send(format!("GET /no{UPGRADE}").as_bytes()).await;
    let answer = client.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 404 "), "{}", answer.head);
    assert_eq!(field(&answer.head, "upgrade"), None);
}

#[tokio::test]
async fn a_client_that_resets_its_tunnel_ends_it_at_the_endpoint() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let fixture = bridge(listener.local_addr().expect("bound"), false).await;
    let endpoint = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a byte"));
        }
        let answer =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        let mut rest = Vec::new();
        // Closed, in order or with a reset.
        let _ = stream.read_to_end(&mut rest).await;
        rest
    };
    let client = async {
        let (status, _body, mut send) = open_tunnel(&fixture, "/chat").await;
        assert_eq!(status, 200);
        send.send_data("last".into(), false).expect("sent");
        send.send_reset(h2::Reason::CANCEL);
    };
    let (rest, ()) = tokio::join!(endpoint, client);
    assert!(rest.is_empty() || rest == b"last", "{rest:?}");
}

#[tokio::test]
async fn an_extended_connect_that_is_not_allowed_gets_403() {
    let fixture = Setup {
        // Another upgrade is allowed, so that extended CONNECT is offered.
        manager: ", upgrade_configs: [{upgrade_type: other}]",
        ..Setup::to(http1_endpoint().await)
    };
    let fixture = fixture.start().await;
    let (status, ..) = open_tunnel(&fixture, "/chat").await;
    assert_eq!(status, 403);
}
