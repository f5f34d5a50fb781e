//! Subsets of endpoints, by what routes want of their metadata.

use crate::peers::{Client, Endpoint, Setup};

async fn status_and_body(address: std::net::SocketAddr) -> (String, String) {
    let mut client = Client::connect(address).await;
    client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = client.answer().await;
    let status = answer.head.split(' ').nth(1).unwrap_or_default();
    (
        status.to_owned(),
        String::from_utf8_lossy(&answer.body).into_owned(),
    )
}

async fn named(name: &'static str) -> Endpoint {
    Endpoint::start(move |_| {
        let length = name.len();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}").into_bytes()
    })
    .await
}

#[tokio::test]
async fn a_route_gets_only_the_endpoints_of_its_subset() {
    let (one, two) = (named("v1").await, named("v2").await);
    let endpoint = |version: &str, at: &Endpoint| {
        let port = at.address.port();
        format!(
            "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}, \
             metadata: {{filter_metadata: {{envoy.lb: {{version: {version}}}}}}}}}"
        )
    };
    let cluster = format!(
        "lb_subset_config: {{fallback_policy: NO_FALLBACK, subset_selectors: [{{keys: [version]}}]}}, \
         load_assignment: {{cluster_name: backend, endpoints: [{{lb_endpoints: [{}, {}]}}]}}}}\n  - \
         {{name: unused, type: STATIC, ",
        endpoint("v1", &one),
        endpoint("v2", &two)
    );
    let wants = |version: &str| {
        format!(", metadata_match: {{filter_metadata: {{envoy.lb: {{version: {version}}}}}}}")
    };
    for (wanted, expected) in [
        (wants("v2"), ("200", "v2")),
        (wants("v3"), ("503", "no healthy upstream")),
        (String::new(), ("503", "no healthy upstream")),
    ] {
        let setup = Setup {
            route: wanted.leak(),
            cluster: cluster.clone().leak(),
            ..Setup::to(one.address)
        };
        let fixture = setup.start().await;
        for _ in 0..4 {
            let (status, body) = status_and_body(fixture.address).await;
            assert_eq!((status.as_str(), body.as_str()), expected);
        }
    }
}
