//! Config that changes under load loses no request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::peers::{Client, Endpoint, Setup, field};

/// Sends requests on kept connections until `stop`, connecting again only where the proxy said that
/// it closes. Returns how many were answered; every one must be a 200.
async fn load(address: SocketAddr, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> usize {
    let mut client = Client::connect(address).await;
    let mut closed = 0;
    while !stop.load(Ordering::Relaxed) {
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let answer = client.answer().await;
        assert!(answer.head.starts_with("HTTP/1.1 200 "), "{}", answer.head);
        assert_eq!(answer.body, b"hello");
        answered.fetch_add(1, Ordering::Relaxed);
        if field(&answer.head, "connection") == Some("close") {
            closed += 1;
            client = Client::connect(address).await;
        }
    }
    closed
}

#[tokio::test]
async fn listeners_routes_clusters_and_endpoints_change_without_a_failed_request() {
    let endpoints = [Endpoint::hello().await, Endpoint::hello().await];
    let fixture = Setup::to(endpoints[0].address).start_dynamic().await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(load(
                fixture.address,
                Arc::clone(&stop),
                Arc::clone(&answered),
            ))
        })
        .collect();
    let routes = ["", ", timeout: 5s", ", prefix_rewrite: /other"];
    for round in 0..40_usize {
        let setup = Setup {
            route: routes[round % routes.len()],
            ..Setup::to(endpoints[round % 2].address)
        };
        for update in setup.updates(&round.to_string()) {
            fixture.proxy.apply_update(&update);
        }
        // Every generation serves some requests before the next one comes.
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 20 {
            tokio::task::yield_now().await;
            assert!(!clients.iter().any(tokio::task::JoinHandle::is_finished));
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut closed = 0;
    for client in clients {
        closed += client.await.expect("no request failed");
    }
    assert!(
        closed > 0,
        "connections of an old listener are told to close"
    );
    let both = endpoints
        .iter()
        .all(|each| each.requests.load(Ordering::SeqCst) > 0);
    assert!(both, "both endpoints served");
}
