//! HTTP/2 on either side, with trailers and streams side by side.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::peers::{Client, Endpoint, Nobody, Setup};

/// An HTTP/2 endpoint that sends the request's body back, and trailers after it.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        let mut body = request.into_body();
                        let response = Response::builder().status(200).body(()).expect("valid");
                        let mut send = respond.send_response(response, false).expect("sent");
                        while let Some(Ok(data)) = body.data().await {
                            let _ = body.flow_control().release_capacity(data.len());
                            send.send_data(data, false).expect("sent");
                        }
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", "0".parse().expect("valid"));
                        send.send_trailers(trailers).expect("sent");
                    });
                }
            });
        }
    });
    address
}

async fn client(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("connected");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

/// Sends a body of `pieces`; the status, the body and the trailers that come back.
async fn call(sender: &SendRequest<Bytes>, pieces: &[Bytes]) -> (u16, Vec<u8>, Option<HeaderMap>) {
    let mut sender = sender.clone().ready().await.expect("open");
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://shop/echo")
        .header("te", "trailers")
        .body(())
        .expect("valid");
    let (response, mut send) = sender
        .send_request(request, pieces.is_empty())
        .expect("sent");
    for (number, piece) in pieces.iter().enumerate() {
        send.send_data(piece.clone(), number + 1 == pieces.len())
            .expect("sent");
    }
    let response = response.await.expect("an answer");
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("data");
        let _ = body.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    (status, all, body.trailers().await.expect("the end"))
}

#[tokio::test]
async fn streams_and_trailers_pass_between_http2_and_http2() {
    let setup = Setup {
        http2: true,
        ..Setup::to(echo().await)
    };
    let fixture = setup.start().await;
    let sender = client(fixture.address).await;
    let calls = (0..20).map(|number| {
        let sender = sender.clone();
        async move {
            let piece = Bytes::from(vec![b'a' + number; 40_000]);
            let (status, body, trailers) = call(&sender, &[piece.clone(), piece.clone()]).await;
            assert_eq!(status, 200);
            assert_eq!(body.len(), 80_000);
            assert!(body.iter().all(|byte| *byte == b'a' + number));
            let trailers = trailers.expect("trailers");
            assert_eq!(trailers["grpc-status"], "0");
        }
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test]
async fn an_http2_client_reaches_an_http1_endpoint() {
    let endpoint = Endpoint::start(|seen| {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await;
    let fixture = Setup::to(endpoint.address).start().await;
    let sender = client(fixture.address).await;
    let (status, body, _) = call(&sender, &[Bytes::from_static(b"hello")]).await;
    assert_eq!((status, body.as_slice()), (200, &b"hello"[..]));
    let (status, body, _) = call(&sender, &[]).await;
    assert_eq!((status, body.len()), (200, 0));
}

#[tokio::test]
async fn an_http1_client_reaches_an_http2_endpoint() {
    let setup = Setup {
        http2: true,
        ..Setup::to(echo().await)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    for _ in 0..2 {
        client
            .send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello")
            .await;
        assert_eq!(client.answer().await.body, b"hello");
    }
}

#[tokio::test]
async fn a_grpc_client_gets_local_replies_as_grpc_status() {
    let nobody = Nobody::there();
    let fixture = Setup::to(nobody.address).start().await;
    let mut sender = client(fixture.address).await.ready().await.expect("open");
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://shop/service/Method")
        .header("content-type", "application/grpc")
        .body(())
        .expect("valid");
    let (response, _) = sender.send_request(request, true).expect("sent");
    let response = response.await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "14");
}
