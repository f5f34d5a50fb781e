//! What the proxy refuses when it carries too much.

use ferromesh_proxy::ProxyHandle;
use std::net::SocketAddr;
use tokio::net::TcpStream;

use crate::peers::Client;
use crate::running::{listening, started};

/// A proxy that answers by itself, with `limits` in its bootstrap.
async fn start(limits: &str) -> (ProxyHandle, SocketAddr) {
    start_with(limits, "").await
}

/// The same, with further fields of the listener.
async fn start_with(limits: &str, listener: &str) -> (ProxyHandle, SocketAddr) {
    let text = format!(
        r#"
{limits}
static_resources:
  listeners:
  - name: web
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    {listener}
    filter_chains: [{{filters: [{{name: hcm, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: web, http_filters: [{{name: router, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}], route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: fine}}}}}}]}}]}}}}}}]}}]
"#
    );
    let proxy = started(&text);
    let address = listening(&proxy, "web").await;
    (proxy, address)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// The body that a new connection's first request gets; empty when the connection is closed.
async fn ask(client: &mut Client) -> String {
    client.send(GET).await;
    match crate::peers::read_message(&mut client.0).await {
        Some(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
        None => String::new(),
    }
}

#[tokio::test]
async fn a_listener_takes_as_many_connections_as_its_limit_says() {
    let key = "envoy.resource_limits.listener.web.connection_limit";
    let limits = format!("layered_runtime: {{layers: [{{name: a, static_layer: {{{key}: 1}}}}]}}");
    let (proxy, address) = start(&limits).await;
    let mut first = Client::connect(address).await;
    assert_eq!(ask(&mut first).await, "fine");
    let mut second = Client::connect(address).await;
    assert_eq!(second.rest().await, "");
    assert_eq!(ask(&mut first).await, "fine");
    drop(first);
    while proxy.connections().0 > 0 {
        tokio::task::yield_now().await;
    }
    let mut third = Client::connect(address).await;
    assert_eq!(ask(&mut third).await, "fine");
}

#[tokio::test]
async fn a_process_takes_as_many_connections_as_its_limit_says() {
    let monitor = "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections\
                   .v3.DownstreamConnectionsConfig";
    let limits = format!(
        "overload_manager: {{resource_monitors: [{{name: \
         envoy.resource_monitors.global_downstream_max_connections, typed_config: {{\"@type\": \
         {monitor}, max_active_downstream_connections: 2}}}}]}}"
    );
    let (_proxy, address) = start(&limits).await;
    let (mut first, mut second) = (
        Client::connect(address).await,
        Client::connect(address).await,
    );
    assert_eq!(ask(&mut first).await, "fine");
    assert_eq!(ask(&mut second).await, "fine");
    assert_eq!(Client::connect(address).await.rest().await, "");
}

#[tokio::test]
async fn without_memory_requests_are_refused_as_envoy_refuses_them() {
    let monitor =
        "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig";
    let heap = "envoy.resource_monitors.fixed_heap";
    let trigger = format!("triggers: [{{name: {heap}, threshold: {{value: 0.9}}}}]");
    let limits = format!(
        "overload_manager: {{refresh_interval: 0.01s, resource_monitors: [{{name: {heap}, \
         typed_config: {{\"@type\": {monitor}, max_heap_size_bytes: 1}}}}], actions: [{{name: \
         envoy.overload_actions.stop_accepting_requests, {trigger}}}, {{name: \
         envoy.overload_actions.disable_http_keepalive, {trigger}}}]}}"
    );
    let (_proxy, address) = start(&limits).await;
    // The memory is looked at soon after the start.
    let answer = loop {
        let mut client = Client::connect(address).await;
        client.send(GET).await;
        let answer = client.answer().await;
        if !answer.head.starts_with("HTTP/1.1 200") {
            assert_eq!(client.rest().await, "", "the connection ends");
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert!(answer.head.starts_with("HTTP/1.1 503 "), "{}", answer.head);
    assert_eq!(answer.body, b"envoy overloaded");
}

#[tokio::test]
async fn a_source_with_too_many_unfinished_handshakes_gets_no_more() {
    let limits = "layered_runtime: {layers: [{name: a, static_layer: \
                  {ferromesh.resource_limits.handshakes_per_source: 2}}]}";
    let inspector = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.\
                     TlsInspector";
    let limits = format!("{limits}\n");
    let (proxy, address) = start_with(
        &limits,
        &format!("listener_filters: [{{name: t, typed_config: {{\"@type\": {inspector}}}}}]"),
    )
    .await;
    let silent = [
        TcpStream::connect(address).await.expect("connected"),
        TcpStream::connect(address).await.expect("connected"),
    ];
    let waiting = "envoy_listener_downstream_pre_cx_active";
    while !proxy
        .prometheus()
        .lines()
        .any(|line| line.starts_with(waiting) && line.ends_with(" 2"))
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(Client::connect(address).await.rest().await, "");
    drop(silent);
    // The places are free once the proxy has seen that the two have left.
    while !proxy
        .prometheus()
        .lines()
        .any(|line| line.starts_with(waiting) && line.ends_with(" 0"))
    {
        tokio::task::yield_now().await;
    }
    let mut first = Client::connect(address).await;
    assert_eq!(ask(&mut first).await, "fine");
    // A connection that has begun its work holds no place.
    let mut second = Client::connect(address).await;
    let mut third = Client::connect(address).await;
    assert_eq!(ask(&mut second).await, "fine");
    assert_eq!(ask(&mut third).await, "fine");
}
