//! gRPC-Web clients, binary and text, in front of gRPC endpoints.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;

use crate::peers::{Client, Nobody, Seen, Setup, field};

const FILTER: &str = "{name: envoy.filters.http.grpc_web, typed_config: {\"@type\": \
                      type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb}}, ";

/// A message of three bytes, as gRPC frames it; and its base64.
const MESSAGE: &[u8] = b"\0\0\0\0\x03abc";
const MESSAGE_TEXT: &str = "AAAAAANhYmM=";

/// What stands for the trailers; and its base64.
const TRAILERS: &[u8] = b"\x80\0\0\0\x0fgrpc-status:0\r\n";
const TRAILERS_TEXT: &str = "gAAAAA9ncnBjLXN0YXR1czowDQo=";

/// A gRPC endpoint that sends the message back when the request is as gRPC wants it.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request, respond));
                }
            });
        }
    });
    address
}

async fn answer(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    let wanted = head
        .headers
        .get("content-type")
        .is_some_and(|kind| kind == "application/grpc")
        && head.headers.get("te").is_some_and(|te| te == "trailers")
        && !head.headers.contains_key("content-length");
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        all.extend_from_slice(&data);
    }
    let response = Response::builder().header("content-type", "application/grpc");
    let response = response.body(()).expect("valid");
    let mut send = respond.send_response(response, false).expect("sent");
    send.send_data(all.into(), false).expect("sent");
    let mut trailers = HeaderMap::new();
    let status = if wanted { "0" } else { "3" };
    trailers.insert("grpc-status", status.parse().expect("valid"));
    send.send_trailers(trailers).expect("sent");
}

async fn call(endpoint: SocketAddr, fields: &str, body: &[u8]) -> Seen {
    let setup = Setup {
        http2: true,
        filters: FILTER,
        ..Setup::to(endpoint)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    let head = format!(
        "POST /service/Method HTTP/1.1\r\nhost: a\r\n{fields}content-length: {}\r\n\r\n",
        body.len()
    );
    client.send(head.as_bytes()).await;
    client.send(body).await;
    client.answer().await
}

#[tokio::test]
async fn a_binary_client_gets_its_trailers_as_a_message() {
    let endpoint = echo().await;
    let kind = "content-type: application/grpc-web+proto\r\n";
    let answer = call(endpoint, kind, MESSAGE).await;
    assert!(answer.head.starts_with("HTTP/1.1 200 "), "{}", answer.head);
    let kind = field(&answer.head, "content-type");
    assert_eq!(kind, Some("application/grpc-web+proto"));
    assert_eq!(answer.body, [MESSAGE, TRAILERS].concat());
}

#[tokio::test]
async fn a_text_client_sends_and_gets_base64() {
    let endpoint = echo().await;
    let kinds = "content-type: application/grpc-web-text\r\naccept: application/grpc-web-text\r\n";
    let answer = call(endpoint, kinds, MESSAGE_TEXT.as_bytes()).await;
    let kind = field(&answer.head, "content-type");
    assert_eq!(kind, Some("application/grpc-web-text+proto"));
    let text = String::from_utf8(answer.body).expect("text");
    assert_eq!(text, format!("{MESSAGE_TEXT}{TRAILERS_TEXT}"));
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_a_grpc_status_in_the_head() {
    let nobody = Nobody::there();
    let answer = call(
        nobody.address,
        "content-type: application/grpc-web\r\n",
        MESSAGE,
    )
    .await;
    assert!(answer.head.starts_with("HTTP/1.1 200 "), "{}", answer.head);
    assert_eq!(field(&answer.head, "grpc-status"), Some("14"));
    let kind = field(&answer.head, "content-type");
    assert_eq!(kind, Some("application/grpc-web+proto"));
}

#[tokio::test]
async fn other_requests_pass_as_they_are() {
    let endpoint = echo().await;
    let answer = call(endpoint, "content-type: application/json\r\n", b"{}").await;
    assert_eq!(answer.body, b"{}");
}
