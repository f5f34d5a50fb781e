//! A slow reader or writer never grows the process: while one side of an exchange takes nothing, the
//! other side's bytes stay with that side (or in the kernel), and the heap hardly grows.
//!
//! Counted are bytes of the heap of this process, in which proxy, client and endpoint run; the
//! last two hold one block and, over HTTP/2, a window.

mod ends;
#[path = "../running/mod.rs"]
mod running;

use std::alloc::System;
use std::net::SocketAddr;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::sync::oneshot;

use ends::{BLOCK, Http2Body, Http2Reader, Source, TOTAL};
use running::{listening, started};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What buffers may hold (Envoy's `per_connection_buffer_limit_bytes`), and as much again for what
/// the two ends of the test and their tasks need.
const MOST: isize = 2 << 20;

fn live() -> isize {
    let stats = HEAP.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

fn bootstrap(upstream: SocketAddr) -> String {
    let types = "type.googleapis.com/envoy.extensions.filters";
    let (address, port) = (upstream.ip(), upstream.port());
    let any = "address: {socket_address: {address: 127.0.0.1, port_value: 0}}";
    format!(
        r#"
static_resources:
  listeners:
  - name: http
    {any}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {types}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          # Over HTTP/2 it is the window that a client may fill.
          http2_protocol_options:
            initial_stream_window_size: 1048576
            initial_connection_window_size: 1048576
          route_config:
            name: all
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: backend, timeout: 0s}}}}]
          http_filters:
          - {{name: router, typed_config: {{"@type": {types}.http.router.v3.Router}}}}
  - name: tcp
    {any}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": {types}.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: backend
  clusters:
  - name: backend
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: {address}, port_value: {port}}}}}}}
"#
    )
}

/// Waits until the fast side is held back, looks at the heap, and lets the slow side take all.
async fn check(case: &str, before: isize, stalled: oneshot::Receiver<u64>, mut slow: impl Source) {
    let sent = stalled.await.expect("the fast side is held back");
    assert!(sent < TOTAL, "{case}: nobody held the fast side back");
    assert!(sent > 0, "{case}: nothing began to flow");
    let mut most = live() - before;
    assert!(
        most < MOST,
        "{case}: {most} bytes were held while nobody read"
    );
    let mut taken = 0;
    while let Some(count) = slow.take().await {
        taken += count;
        most = most.max(live() - before);
    }
    assert!(most < MOST, "{case}: {most} bytes were held while one read");
    assert_eq!(taken, TOTAL, "{case}: what arrived");
}

/// One test for all: the counters are those of the whole process.
#[tokio::test]
async fn what_nobody_takes_stays_with_its_sender() {
    let (endpoint, mut arrivals) = ends::endpoint().await;
    let proxy = started(&bootstrap(endpoint));
    let http = listening(&proxy, "http").await;
    let tcp = listening(&proxy, "tcp").await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {TOTAL}\r\n\r\n");

    let before = live();
    let mut client = ends::connect(http).await;
    ends::send(&mut client, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut endpoint = arrivals.recv().await.expect("a connection");
    ends::read_head(&mut endpoint).await;
    ends::send(&mut endpoint, head.as_bytes()).await;
    let stalled = ends::flood(endpoint);
    ends::read_head(&mut client).await;
    check("an answer over HTTP/1.1", before, stalled, client).await;

    let before = live();
    let mut client = ends::connect(http).await;
    let upload = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {TOTAL}\r\n\r\n");
    ends::send(&mut client, upload.as_bytes()).await;
    let stalled = ends::flood(client);
    let mut endpoint = arrivals.recv().await.expect("a connection");
    ends::read_head(&mut endpoint).await;
    check("a request over HTTP/1.1", before, stalled, endpoint).await;

    let before = live();
    let client = ends::http2(http).await;
    let answer = client.ask().await;
    let mut endpoint = arrivals.recv().await.expect("a connection");
    ends::read_head(&mut endpoint).await;
    ends::send(&mut endpoint, head.as_bytes()).await;
    let stalled = ends::flood(endpoint);
    let answer = Http2Reader::new(answer).await;
    check("an answer over HTTP/2", before, stalled, answer).await;

    let before = live();
    let client = ends::http2(http).await;
    let stalled = Http2Body::flood(client.post().await);
    let mut endpoint = arrivals.recv().await.expect("a connection");
    ends::read_head(&mut endpoint).await;
    check(
        "a request over HTTP/2",
        before,
        stalled,
        ends::Chunks::new(endpoint),
    )
    .await;

    let before = live();
    let mut client = ends::connect(tcp).await;
    ends::send(&mut client, b"x").await;
    let endpoint = arrivals.recv().await.expect("a connection");
    let stalled = ends::flood(endpoint);
    check("bytes from an endpoint", before, stalled, client).await;

    let before = live();
    let client = ends::connect(tcp).await;
    let stalled = ends::flood(client);
    let endpoint = arrivals.recv().await.expect("a connection");
    check("bytes to an endpoint", before, stalled, endpoint).await;
    assert!(BLOCK < MOST as usize, "a block is no measure");
}
