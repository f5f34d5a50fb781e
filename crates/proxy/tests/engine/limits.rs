//! Circuit breakers and their numbers; cookies of consistent hashing.

use tokio::net::TcpListener;

use crate::peers::{Client, Endpoint, Setup, field, number};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_request_above_the_limit_overflows_and_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let setup = Setup {
        cluster: "circuit_breakers: {thresholds: [{max_requests: 1, track_remaining: true}]}, ",
        ..Setup::to(silent.local_addr().expect("bound"))
    };
    let fixture = setup.start().await;
    let mut first = Client::connect(fixture.address).await;
    first.send(GET).await;
    let held = silent.accept().await.expect("the first request");
    while number(&fixture, "circuit_breakers_default_rq_open") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(number(&fixture, "circuit_breakers_default_remaining_rq"), 0);
    let mut second = Client::connect(fixture.address).await;
    second.send(GET).await;
    let answer = second.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 503 "), "{}", answer.head);
    assert_eq!(field(&answer.head, "x-envoy-overloaded"), Some("true"));
    assert_eq!(number(&fixture, "upstream_rq_active_overflow"), 1);
    drop(held);
}

#[tokio::test]
async fn a_request_that_may_not_wait_overflows() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let setup = Setup {
        cluster: "circuit_breakers: {thresholds: [{max_pending_requests: 0}]}, ",
        ..Setup::to(silent.local_addr().expect("bound"))
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    let answer = client.answer().await;
    assert!(answer.head.starts_with("HTTP/1.1 503 "), "{}", answer.head);
    assert_eq!(number(&fixture, "upstream_rq_pending_overflow"), 1);
}

#[tokio::test]
async fn retries_above_the_limit_are_not_made() {
    let failing = Endpoint::start(|_| {
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()
    })
    .await;
    let setup = Setup {
        route: ", retry_policy: {retry_on: 5xx, num_retries: 3}",
        cluster: "circuit_breakers: {thresholds: [{retry_budget: {budget_percent: {value: 0}, \
                  min_retry_concurrency: 0}}]}, ",
        ..Setup::to(failing.address)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    assert!(client.answer().await.head.starts_with("HTTP/1.1 503 "));
    assert_eq!(number(&fixture, "upstream_rq_retry_overflow"), 1);
    assert_eq!(number(&fixture, "upstream_rq_retry"), 0);
}

#[tokio::test]
async fn a_client_without_the_cookie_gets_one_and_stays_with_its_endpoint() {
    let mut endpoints = Vec::new();
    for number in 0..4 {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
        endpoints.push(Endpoint::start(move |_| answer.clone().into_bytes()).await);
    }
    let setup = Setup {
        endpoints: endpoints.iter().map(|each| each.address).collect(),
        route: ", hash_policy: [{cookie: {name: user, ttl: 60s, path: /}}]",
        cluster: "lb_policy: RING_HASH, ",
        ..Setup::default()
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    client.send(GET).await;
    let first = client.answer().await;
    let made = field(&first.head, "set-cookie").expect("a cookie");
    let (cookie, attributes) = made.split_once("; ").expect("attributes");
    assert_eq!(attributes, "Max-Age=60; Path=/; HttpOnly");
    for _ in 0..5 {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: {cookie}\r\n\r\n");
        client.send(request.as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!(answer.body, first.body);
        assert_eq!(field(&answer.head, "set-cookie"), None);
    }
}
