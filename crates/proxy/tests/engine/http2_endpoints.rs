//! HTTP/2 endpoints that refuse, leave, fill up or fall silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use http::{Method, Request, Response};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

use crate::peers::Setup;

type Accepted = Connection<TcpStream, Bytes>;

/// An endpoint that lets `serve` handle each connection, given its number; how many there were.
async fn endpoint<F>(
    builder: h2::server::Builder,
    serve: impl Fn(usize, Accepted) -> F + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let (builder, serve) = (builder.clone(), Arc::clone(&serve));
            tokio::spawn(async move {
                let accepted = builder.handshake(stream).await.expect("HTTP/2");
                serve(number, accepted).await;
            });
        }
    });
    (address, count)
}

fn answer(mut respond: SendResponse<Bytes>) {
    let head = Response::builder().status(200).body(()).expect("valid");
    let mut body = respond.send_response(head, false).expect("sent");
    body.send_data(Bytes::from_static(b"hello"), true)
        .expect("sent");
}

/// A client's end of a connection.
async fn connect(address: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("connected");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

/// A proxy in front of the endpoint, and a client's end of a connection to it.
async fn client(
    address: SocketAddr,
    cluster: &'static str,
) -> (crate::peers::Fixture, h2::client::SendRequest<Bytes>) {
    let setup = Setup {
        http2: true,
        cluster,
        ..Setup::to(address)
    };
    let fixture = setup.start().await;
    let sender = connect(fixture.address).await;
    (fixture, sender)
}

/// The status of the answer to a POST with a small body.
async fn post(sender: &h2::client::SendRequest<Bytes>) -> u16 {
    let mut sender = sender.clone().ready().await.expect("open");
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://shop/service/Method")
        .body(())
        .expect("valid");
    let (response, mut body) = sender.send_request(request, false).expect("sent");
    body.send_data(Bytes::from_static(b"hello"), true)
        .expect("sent");
    response.await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_whatever_its_method() {
    let (address, _) = endpoint(h2::server::Builder::new(), |_, mut accepted| async move {
        let mut refused = false;
        while let Some(Ok((_, mut respond))) = accepted.accept().await {
            if refused {
                answer(respond);
            } else {
                refused = true;
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
        }
    })
    .await;
    let (_fixture, sender) = client(address, "").await;
    assert_eq!(post(&sender).await, 200);
}

#[tokio::test]
async fn a_stream_that_is_reset_for_another_reason_is_not() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let (address, _) = endpoint(h2::server::Builder::new(), move |_, mut accepted| {
        let count = Arc::clone(&count);
        async move {
            while let Some(Ok((_, mut respond))) = accepted.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                respond.send_reset(h2::Reason::INTERNAL_ERROR);
            }
        }
    })
    .await;
    let (_fixture, sender) = client(address, "").await;
    assert_eq!(post(&sender).await, 503);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_endpoint_that_leaves_with_goaway_loses_no_request() {
    let (address, count) = endpoint(h2::server::Builder::new(), |_, mut accepted| async move {
        let mut served = 0;
        while let Some(Ok((_, respond))) = accepted.accept().await {
            answer(respond);
            served += 1;
            if served == 5 {
                accepted.graceful_shutdown();
            }
        }
    })
    .await;
    let (_fixture, sender) = client(address, "").await;
    for _ in 0..10 {
        let calls = (0..10).map(|_| post(&sender));
        let statuses = futures_util::future::join_all(calls).await;
        assert_eq!(statuses, [200; 10]);
    }
    assert!(count.load(Ordering::SeqCst) > 5);
}

#[tokio::test]
async fn more_streams_than_an_endpoint_takes_on_one_connection_go_over_several() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(2);
    // Nobody is answered before all six are there.
    let all = Arc::new(Barrier::new(6));
    let (address, count) = endpoint(builder, move |_, mut accepted| {
        let all = Arc::clone(&all);
        async move {
            while let Some(Ok((_, respond))) = accepted.accept().await {
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    all.wait().await;
                    answer(respond);
                });
            }
        }
    })
    .await;
    let (_fixture, sender) = client(address, "").await;
    let statuses = futures_util::future::join_all((0..6).map(|_| post(&sender))).await;
    assert_eq!(statuses, [200; 6]);
    assert!(count.load(Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn streams_that_find_no_connection_wait_for_a_place_on_one() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let (address, count) = endpoint(builder, |_, mut accepted| async move {
        while let Some(Ok((request, respond))) = accepted.accept().await {
            tokio::spawn(async move {
                let mut body = request.into_body();
                while body.data().await.is_some() {}
                answer(respond);
            });
        }
    })
    .await;
    let breaker = "circuit_breakers: {thresholds: [{max_connections: 1}]}, ";
    let (_fixture, sender) = client(address, breaker).await;
    let statuses = futures_util::future::join_all((0..20).map(|_| post(&sender))).await;
    assert_eq!(statuses, [200; 20]);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_carries_no_more_requests_than_it_may() {
    let (address, count) = endpoint(h2::server::Builder::new(), |_, mut accepted| async move {
        while let Some(Ok((_, respond))) = accepted.accept().await {
            answer(respond);
        }
    })
    .await;
    let (_fixture, sender) = client(address, "max_requests_per_connection: 2, ").await;
    for _ in 0..6 {
        assert_eq!(post(&sender).await, 200);
    }
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_endpoint_that_answers_no_ping_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // It hears everything and says nothing.
                let mut heard = [0; 4096];
                while stream.read(&mut heard).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    let setup = Setup {
        cluster: "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.\
                  HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.\
                  http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: \
                  {connection_keepalive: {interval: 0.05s, timeout: 0.05s}}}}}, ",
        ..Setup::to(address)
    };
    let fixture = setup.start().await;
    let sender = connect(fixture.address).await;
    assert_eq!(post(&sender).await, 503);
}
