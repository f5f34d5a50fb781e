//! Connections that are there before a request needs them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::peers::{Client, Endpoint, Fixture, Setup};

/// A proxy in front of the endpoints, with this policy.
async fn proxy(endpoints: &[&Endpoint], cluster: &'static str) -> Fixture {
    let setup = Setup {
        endpoints: endpoints.iter().map(|endpoint| endpoint.address).collect(),
        cluster,
        ..Setup::default()
    };
    setup.start().await
}

async fn ask(client: &mut Client) {
    client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 200"), "{}", answer.head);
}

/// Waits until the endpoint has had that many connections, and a moment more.
async fn has_had(endpoint: &Endpoint, connections: usize) {
    let count = || endpoint.connections.load(Ordering::SeqCst);
    while count() < connections {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(count(), connections);
}

#[tokio::test]
async fn a_ratio_per_endpoint_is_kept_for_the_requests_in_flight() {
    let endpoint = Endpoint::hello().await;
    let policy = "preconnect_policy: {per_upstream_preconnect_ratio: 3}, ";
    let fixture = proxy(&[&endpoint], policy).await;
    let mut client = Client::connect(fixture.address).await;
    ask(&mut client).await;
    has_had(&endpoint, 3).await;
    // One of three is enough for the next request.
    ask(&mut client).await;
    has_had(&endpoint, 3).await;
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_predictive_ratio_prepares_the_endpoints_that_come_next() {
    let endpoints = [
        Endpoint::hello().await,
        Endpoint::hello().await,
        Endpoint::hello().await,
    ];
    let policy = "preconnect_policy: {predictive_preconnect_ratio: 2}, ";
    let fixture = proxy(&endpoints.each_ref(), policy).await;
    let mut client = Client::connect(fixture.address).await;
    ask(&mut client).await;
    for endpoint in &endpoints {
        has_had(endpoint, 1).await;
    }
    for _ in 0..2 {
        ask(&mut client).await;
    }
    for endpoint in &endpoints {
        has_had(endpoint, 1).await;
        let requests = endpoint.requests.load(Ordering::SeqCst);
        assert_eq!(requests, 1, "the one that was prepared gets the request");
    }
}

#[tokio::test]
async fn an_endpoint_that_admits_no_more_is_not_pressed() {
    let endpoint = Endpoint::hello().await;
    let policy = "preconnect_policy: {per_upstream_preconnect_ratio: 3}, \
                  circuit_breakers: {thresholds: [{max_connections: 2}]}, ";
    let fixture = proxy(&[&endpoint], policy).await;
    let mut client = Client::connect(fixture.address).await;
    ask(&mut client).await;
    has_had(&endpoint, 2).await;
    ask(&mut client).await;
    has_had(&endpoint, 2).await;
}

#[tokio::test]
async fn connections_that_cannot_be_made_ahead_fail_no_request() {
    // It takes one connection and then no other.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("bound");
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        drop(listener);
        let mut stream = tokio::io::BufReader::new(stream);
        while crate::peers::read_message(&mut stream).await.is_some() {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            let sent = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            sent.expect("the proxy is there");
        }
    });
    let setup = Setup {
        cluster: "preconnect_policy: {per_upstream_preconnect_ratio: 2}, ",
        ..Setup::to(address)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    for _ in 0..5 {
        ask(&mut client).await;
    }
    drop(client);
    serving.abort();
}
