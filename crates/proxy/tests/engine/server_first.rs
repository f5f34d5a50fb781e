//! Servers that speak before their client does, behind a listener that looks at the first bytes and
//! has no time limit for it.

use std::net::SocketAddr;

use ferromesh_proxy::ProxyHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::peers::{Client, Endpoint, Nobody};
use crate::running::{listening, started};

/// A proxy like a sidecar: HTTP to `http`, everything else to `tcp`, by what the client says first.
async fn start(http: SocketAddr, tcp: SocketAddr) -> (ProxyHandle, SocketAddr) {
    let cluster = |name: &str, at: SocketAddr| {
        let (ip, port) = (at.ip(), at.port());
        format!(
            "  - {{name: {name}, type: STATIC, load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}]}}]}}}}\n"
        )
    };
    let text = format!(
        "static_resources:
  listeners:
  - name: sidecar
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    listener_filters_timeout: 0s
    listener_filters:
    - {{name: tls, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}}}
    - {{name: http, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}}}
    filter_chains:
    - {{filter_chain_match: {{application_protocols: [http/1.1, h2c]}}, filters: [{{name: hcm, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: web, http_filters: [{{name: router, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}], route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: http}}}}]}}]}}}}}}]}}
    default_filter_chain: {{filters: [{{name: t, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: tcp}}}}]}}
  clusters:
{}{}",
        cluster("http", http),
        cluster("tcp", tcp),
    );
    let proxy = started(&text);
    let address = listening(&proxy, "sidecar").await;
    (proxy, address)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// Waits until the proxy's numbers have this line.
async fn counted(proxy: &ProxyHandle, line: &str) {
    while !proxy.prometheus().contains(line) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_greets_reaches_a_client_that_waits_for_it() {
    let (mail, at) = listener().await;
    let (_proxy, address) = start(at, at).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    let (mut server, _) = mail.accept().await.expect("the proxy");
    server.write_all(b"220 mail ready\r\n").await.expect("sent");
    let mut greeting = [0; 16];
    client.read_exact(&mut greeting).await.expect("a greeting");
    assert_eq!(&greeting, b"220 mail ready\r\n");
    client.write_all(b"EHLO me\r\n").await.expect("sent");
    let mut hello = [0; 9];
    server.read_exact(&mut hello).await.expect("the client");
    assert_eq!(&hello, b"EHLO me\r\n");
    server.write_all(b"250 ok\r\n").await.expect("sent");
    drop(server);
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.expect("text");
    assert_eq!(rest, "250 ok\r\n");
}

#[tokio::test]
async fn a_client_that_thinks_first_is_still_served_by_what_it_says() {
    let web = Endpoint::hello().await;
    let (silent, at) = listener().await;
    let (_proxy, address) = start(web.address, at).await;
    let mut client = Client::connect(address).await;
    // It was silent so long that the other endpoint was reached for.
    let (mut dialled, _) = silent.accept().await.expect("the proxy");
    client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.body, b"hello");
    let mut nothing = Vec::new();
    let _ = dialled.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty(), "{nothing:?}");
}

#[tokio::test]
async fn a_client_that_speaks_its_own_protocol_late_keeps_the_connection_that_was_opened() {
    let (silent, at) = listener().await;
    let (proxy, address) = start(at, at).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    let (mut server, _) = silent.accept().await.expect("the proxy");
    // The system accepts sooner than the proxy learns of it; who speaks in between gets a connection
    // of his own.
    counted(
        &proxy,
        "envoy_cluster_upstream_cx_total{cluster_name=\"tcp\"} 1",
    )
    .await;
    client.write_all(b"\0binary\0").await.expect("sent");
    client.shutdown().await.expect("half-closed");
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.expect("bytes");
    assert_eq!(heard, b"\0binary\0");
    server.write_all(b"late").await.expect("sent");
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("text");
    assert_eq!(answer, "late");
}

#[tokio::test]
async fn a_server_that_is_not_there_leaves_the_client_time_to_speak() {
    let web = Endpoint::hello().await;
    let nobody = Nobody::there();
    let (proxy, address) = start(web.address, nobody.address).await;
    let mut client = Client::connect(address).await;
    let failed = "envoy_cluster_upstream_cx_connect_fail{cluster_name=\"tcp\"} 1";
    counted(&proxy, failed).await;
    client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.body, b"hello");
}
