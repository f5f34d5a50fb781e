//! Endpoints that fail are ejected; the others take over.

use std::sync::atomic::Ordering;

use crate::peers::{Client, Endpoint, Setup, number};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_failing_endpoint_is_out_after_two_failures() {
    let good = Endpoint::hello().await;
    let bad = Endpoint::start(|_| {
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()
    })
    .await;
    let setup = Setup {
        endpoints: vec![good.address, bad.address],
        cluster: "outlier_detection: {consecutive_5xx: 2, interval: 3600s, base_ejection_time: \
                  3600s, max_ejection_percent: 50}, common_lb_config: {healthy_panic_threshold: \
                  {value: 0}}, ",
        ..Setup::default()
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    let mut failures = 0;
    while failures < 2 {
        client.send(GET).await;
        let answer = client.answer().await;
        failures += usize::from(!answer.head.starts_with("HTTP/1.1 200 "));
    }
    while number(&fixture, "outlier_detection_ejections_active") == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        client.send(GET).await;
        let answer = client.answer().await;
        assert!(answer.head.starts_with("HTTP/1.1 200 "), "{}", answer.head);
    }
    assert_eq!(bad.requests.load(Ordering::SeqCst), 2);
    let ejected = number(
        &fixture,
        "outlier_detection_ejections_enforced_consecutive_5xx",
    );
    assert_eq!(ejected, 1);
    assert_eq!(number(&fixture, "membership_healthy"), 1);
}
