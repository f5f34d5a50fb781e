//! Copies of requests to another cluster.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::peers::{Client, Endpoint, Setup, field};

/// An endpoint that tells what it gets, and answers with an error.
async fn shadow() -> (Endpoint, UnboundedReceiver<(String, Vec<u8>)>) {
    let (sender, seen) = unbounded_channel();
    let endpoint = Endpoint::start(move |request| {
        let _ = sender.send((request.head.clone(), request.body.clone()));
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 3\r\n\r\nbad".to_vec()
    })
    .await;
    (endpoint, seen)
}

#[tokio::test]
async fn a_copy_goes_to_the_other_cluster_with_its_body_and_shadow_authority() {
    let endpoint = Endpoint::hello().await;
    let (other, mut seen) = shadow().await;
    let setup = Setup {
        route: ", request_mirror_policies: [{cluster: other}]",
        others: vec![("other", other.address)],
        ..Setup::to(endpoint.address)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    for request in [
        "POST /x HTTP/1.1\r\nhost: shop:80\r\ncontent-length: 3\r\n\r\nabc",
        "POST /x HTTP/1.1\r\nhost: shop:80\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        client.send(request.as_bytes()).await;
        let answer = client.answer().await;
        assert!(answer.head.starts_with("HTTP/1.1 200 "), "{}", answer.head);
        let (head, body) = seen.recv().await.expect("a copy");
        assert!(head.starts_with("POST /x HTTP/1.1"), "{head}");
        assert_eq!(field(&head, "host"), Some("shop-shadow:80"));
        assert_eq!(field(&head, "x-envoy-internal"), Some("true"));
        assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(body, b"abc");
    }
}

#[tokio::test]
async fn a_cluster_that_is_away_does_no_harm_and_a_share_of_zero_copies_nothing() {
    let endpoint = Endpoint::hello().await;
    let (other, mut seen) = shadow().await;
    let setup = Setup {
        route: ", request_mirror_policies: [{cluster: nowhere}, {cluster: other, \
                runtime_fraction: {default_value: {numerator: 0}}}, {cluster: other, \
                disable_shadow_host_suffix_append: true}]",
        others: vec![("other", other.address)],
        ..Setup::to(endpoint.address)
    };
    let fixture = setup.start().await;
    let mut client = Client::connect(fixture.address).await;
    for path in ["/1", "/2"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n");
        client.send(request.as_bytes()).await;
        assert_eq!(client.answer().await.body, b"hello");
        let (head, _) = seen.recv().await.expect("a copy");
        assert!(
            head.starts_with(&format!("GET {path} ")),
            "one each: {head}"
        );
        assert_eq!(field(&head, "host"), Some("shop"));
    }
}
