//! A static bootstrap carries traffic, and what it does not support is refused by name.

mod running;

use std::net::SocketAddr;

use ferromesh_proto::yaml::bootstrap_from_yaml;
use ferromesh_proxy::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use running::{listening, settings, started};

/// Answers every connection's first request and keeps what it saw.
async fn upstream() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let (sender, seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut chunk = [0; 1024];
                    match stream.read(&mut chunk).await {
                        Ok(count) if count > 0 => request.extend_from_slice(&chunk[..count]),
                        _ => return,
                    }
                }
                let _ = sender.send(String::from_utf8_lossy(&request).into_owned());
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                let _ = stream.write_all(answer).await;
            });
        }
    });
    (address, seen)
}

fn bootstrap(upstream: SocketAddr) -> String {
    format!(
        r#"
node: {{id: one, cluster: test}}
static_resources:
  listeners:
  - name: web
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /direct}}
                direct_response: {{status: 201, body: {{inline_string: made here}}}}
              - match: {{prefix: /}}
                route: {{cluster: backend, prefix_rewrite: /inner/}}
                request_headers_to_add:
                - header: {{key: x-added, value: "%PROTOCOL%"}}
          http_filters:
          - name: router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: backend
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint:
            address: {{socket_address: {{address: {}, port_value: {}}}}}
"#,
        upstream.ip(),
        upstream.port()
    )
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer
}

#[tokio::test]
async fn requests_are_routed_rewritten_and_counted() {
    let (backend, mut seen) = upstream().await;
    let proxy = started(&bootstrap(backend));
    let address = listening(&proxy, "web").await;
    let direct = get(address, "/direct").await;
    assert!(direct.starts_with("HTTP/1.1 201 "), "{direct}");
    assert!(direct.ends_with("made here"), "{direct}");
    let forwarded = get(address, "/thing?q=1").await;
    assert!(forwarded.starts_with("HTTP/1.1 200 OK\r\n"), "{forwarded}");
    assert!(forwarded.ends_with("hello"), "{forwarded}");
    let request = seen.recv().await.expect("a request upstream");
    assert!(
        request.starts_with("GET /inner/thing?q=1 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("x-added: HTTP/1.1\r\n"), "{request}");
    assert!(proxy.is_ready());
    let page = proxy.prometheus();
    assert!(
        page.contains("envoy_cluster_upstream_rq_total{cluster_name=\"backend\"} 1"),
        "{page}"
    );
    proxy.drain(std::time::Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_listener_waits_until_the_names_of_its_clusters_are_resolved() {
    let (backend, _seen) = upstream().await;
    let yaml = bootstrap(backend)
        .replace(
            "type: STATIC",
            "type: STRICT_DNS, dns_lookup_family: V4_ONLY",
        )
        .replace("type: STRICT_DNS, ", "type: STRICT_DNS\n    ")
        .replace(
            &format!("address: {}, port_value: {}", backend.ip(), backend.port()),
            &format!("address: localhost, port_value: {}", backend.port()),
        );
    let proxy = started(&yaml);
    let answer = get(listening(&proxy, "web").await, "/thing").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    proxy.drain(std::time::Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    let proxy = Proxy::start(settings()).expect("started");
    let yaml = "static_resources:\n  clusters:\n  - name: a\n    type: STATIC\n    \
                connection_pool_per_downstream_connection: true\n";
    let refusal = proxy
        .apply_bootstrap(bootstrap_from_yaml(yaml).expect("valid"))
        .expect_err("not supported");
    assert_eq!(
        refusal.to_string(),
        "static_resources.clusters[0].connection_pool_per_downstream_connection: is not supported"
    );
    proxy.drain(std::time::Duration::from_secs(5)).await;
}
