//! Endpoints that fail their health checks get no traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::peers::{Client, Endpoint, Nobody, Setup, number};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// An endpoint that answers health checks as `well` says, and everything else with its name.
async fn patient(name: &'static str, well: Arc<AtomicBool>) -> Endpoint {
    Endpoint::start(move |seen| {
        if seen.head.starts_with("GET /health ") && !well.load(Ordering::SeqCst) {
            return b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec();
        }
        let length = name.len();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}").into_bytes()
    })
    .await
}

#[tokio::test]
async fn an_endpoint_that_says_it_is_ill_gets_no_traffic_until_it_is_well() {
    let well = Arc::new(AtomicBool::new(false));
    let one = patient("one", Arc::new(AtomicBool::new(true))).await;
    let two = patient("two", Arc::clone(&well)).await;
    let setup = Setup {
        endpoints: vec![one.address, two.address],
        cluster: "health_checks: [{timeout: 5s, interval: 0.01s, no_traffic_interval: 0.01s, \
                  unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: \
                  /health, host: checks}}], common_lb_config: {healthy_panic_threshold: {value: \
                  0}}, ",
        ..Setup::default()
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    for _ in 0..10 {
        client.send(GET).await;
        assert_eq!(client.answer().await.body, b"one");
    }
    well.store(true, Ordering::SeqCst);
    while number(&fixture, "membership_healthy") < 2 {
        tokio::task::yield_now().await;
    }
    let mut seen = Vec::new();
    for _ in 0..10 {
        client.send(GET).await;
        seen.push(client.answer().await.body);
    }
    assert!(seen.iter().any(|body| body == b"two"));
    assert!(number(&fixture, "health_check_failure") > 0);
}

#[tokio::test]
async fn a_tcp_check_needs_only_a_connection() {
    let endpoint = Endpoint::hello().await;
    let nobody = Nobody::there();
    let setup = Setup {
        endpoints: vec![endpoint.address, nobody.address],
        cluster: "health_checks: [{timeout: 5s, interval: 1s, unhealthy_threshold: 1, \
                  healthy_threshold: 1, tcp_health_check: {}}], common_lb_config: \
                  {healthy_panic_threshold: {value: 0}}, ",
        ..Setup::default()
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    for _ in 0..10 {
        client.send(GET).await;
        assert_eq!(client.answer().await.body, b"hello");
    }
    assert_eq!(number(&fixture, "membership_healthy"), 1);
}
