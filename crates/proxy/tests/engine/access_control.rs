//! Role-based access control: of requests, by route, tried out; of connections; and their limit.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::peers::{Client, Endpoint, Fixture, Setup};
use crate::tcp;

const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3";

/// A filter that lets only `GET` below `/open` pass, and tries out one that lets nothing pass.
const FILTER: &str = "{name: rbac, typed_config: {\"@type\": \
    type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules: {policies: {open: \
    {permissions: [{and_rules: {rules: [{header: {name: ':method', string_match: {exact: GET}}}, \
    {url_path: {path: {prefix: /open}}}]}}], principals: [{remote_ip: {address_prefix: 127.0.0.0, \
    prefix_len: 8}}]}}}, shadow_rules_stat_prefix: dry_, shadow_rules: {policies: {}}}}, ";

async fn ask(fixture: &Fixture, line: &str) -> (String, String) {
    let mut client = Client::connect(fixture.address).await;
    let request = format!("{line} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    client.send(request.as_bytes()).await;
    let answer = client.answer().await;
    (
        answer.head,
        String::from_utf8_lossy(&answer.body).into_owned(),
    )
}

fn counted(fixture: &Fixture, family: &str) -> Option<u64> {
    let all = fixture.proxy.prometheus();
    let line = all
        .lines()
        .find(|line| line.starts_with(&format!("{family}{{")));
    line?.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn a_request_that_no_policy_allows_never_reaches_the_endpoint() {
    let endpoint = Endpoint::hello().await;
    let setup = Setup {
        filters: FILTER,
        ..Setup::to(endpoint.address)
    };
    let fixture = setup.start().await;
    let (head, body) = ask(&fixture, "GET /open/a?b").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, "hello");
    for line in ["POST /open", "GET /closed", "GET /"] {
        let (head, body) = ask(&fixture, line).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{line}: {head}");
        assert_eq!(body, "RBAC: access denied");
    }
    assert_eq!(endpoint.requests.load(Ordering::SeqCst), 1);
    let family = "envoy_http_rbac";
    assert_eq!(counted(&fixture, &format!("{family}_allowed")), Some(1));
    assert_eq!(counted(&fixture, &format!("{family}_denied")), Some(3));
    let shadow = format!("{family}_dry__shadow_denied");
    assert_eq!(counted(&fixture, &shadow), Some(4));
}

#[tokio::test]
async fn a_route_may_have_rules_of_its_own_or_none() {
    let endpoint = Endpoint::hello().await;
    let around = format!(
        ", typed_per_filter_config: {{rbac: {{\"@type\": {RBAC}.RBACPerRoute, rbac: {{rules: \
         {{action: DENY, policies: {{no admin: {{permissions: [{{url_path: {{path: {{prefix: \
         /admin}}}}}}], principals: [{{any: true}}]}}}}}}}}}}}}"
    );
    let none = format!(", typed_per_filter_config: {{rbac: {{\"@type\": {RBAC}.RBACPerRoute}}}}");
    for (around, path, expected) in [
        (around.clone(), "GET /admin", "403"),
        (around, "POST /", "200"),
        (none, "POST /admin", "200"),
    ] {
        let setup = Setup {
            filters: FILTER,
            around: around.leak(),
            ..Setup::to(endpoint.address)
        };
        let fixture = setup.start().await;
        let (head, _) = ask(&fixture, path).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{path}: {head}"
        );
    }
}

/// What a client that sends a word hears before the proxy closes.
async fn heard(address: std::net::SocketAddr) -> String {
    let mut client = TcpStream::connect(address).await.expect("connected");
    // The proxy may have closed already.
    let _ = client.write_all(b"word").await;
    let _ = client.shutdown().await;
    let mut heard = Vec::new();
    let _ = client.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn a_connection_that_a_policy_denies_is_closed_before_the_endpoint_hears_of_it() {
    let endpoint = tcp::echo().await;
    let rules = |action: &str, port: u16| {
        format!(
            "{{name: rbac, typed_config: {{\"@type\": \
             type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC, stat_prefix: tcp., \
             rules: {{action: {action}, policies: {{p: {{permissions: [{{not_rule: \
             {{destination_port: {port}}}}}], principals: [{{direct_remote_ip: {{address_prefix: \
             127.0.0.1, prefix_len: 32}}}}]}}}}}}}}}}, "
        )
    };
    for (action, expected) in [("ALLOW", "word"), ("DENY", "")] {
        let (_proxy, address) = tcp::start_behind(&rules(action, 1), &[endpoint]).await;
        assert_eq!(heard(address).await, expected, "{action}");
    }
}

#[tokio::test]
async fn no_more_connections_than_the_limit_are_open_at_a_time() {
    let endpoint = tcp::echo().await;
    let filter = "{name: limit, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.\
                  filters.network.connection_limit.v3.ConnectionLimit, stat_prefix: l, \
                  max_connections: 1}}, ";
    let (_proxy, address) = tcp::start_behind(filter, &[endpoint]).await;
    let mut first = TcpStream::connect(address).await.expect("connected");
    first.write_all(b"one").await.expect("sent");
    let mut answer = [0; 3];
    first.read_exact(&mut answer).await.expect("relayed");
    assert_eq!(heard(address).await, "");
    first.shutdown().await.expect("ended");
    assert_eq!(first.read(&mut answer).await.expect("ended"), 0);
    drop(first);
    // The worker gives the place back when it has seen both ends close.
    let mut last = String::new();
    for _ in 0..1000 {
        last = heard(address).await;
        if !last.is_empty() {
            break;
        }
    }
    assert_eq!(last, "word");
}
