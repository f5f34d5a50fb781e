//! The budgets of `bench/budgets.toml`: what a request and a connection take from the heap.
//!
//! Counted over all threads of this process. The client and the endpoint that the test brings run on
//! blocking sockets with fixed buffers and allocate nothing once they run, so that what is counted is
//! the proxy's.

mod budget;
mod ends;
#[path = "../running/mod.rs"]
mod running;

use std::alloc::System;
use std::net::SocketAddr;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use budget::within;
use ends::{Http1Client, Http2Client};
use running::{listening, started};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Exchanges that are counted: enough that what happens once a second does not show.
const COUNTED: usize = 2000;
/// Requests that are under way together, of so many connections.
const IN_FLIGHT: usize = 64;
/// Exchanges before, which fill pools and buffers.
const WARM_UP: usize = 200;
/// Connections whose memory is counted.
const CONNECTIONS: usize = 200;

fn listener(name: &str, codec: &str) -> String {
    let types = "type.googleapis.com/envoy.extensions.filters";
    format!(
        r#"
  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {types}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          codec_type: {codec}
          route_config:
            name: {name}
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: backend}}}}]
          http_filters:
          - {{name: router, typed_config: {{"@type": {types}.http.router.v3.Router}}}}
"#
    )
}

fn bootstrap(upstream: SocketAddr) -> String {
    let (http1, http2) = (listener("http1", "HTTP1"), listener("http2", "HTTP2"));
    let (address, port) = (upstream.ip(), upstream.port());
    format!(
        r"
node: {{id: one, cluster: test}}
static_resources:
  listeners:{http1}{http2}
  clusters:
  - name: backend
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: {address}, port_value: {port}}}}}}}
"
    )
}

/// Allocations per call of `exchange`, growth of existing blocks included, rounded to the nearest.
fn allocations(mut exchange: impl FnMut()) -> usize {
    for _ in 0..WARM_UP {
        exchange();
    }
    let before = HEAP.stats();
    for _ in 0..COUNTED {
        exchange();
    }
    let used = HEAP.stats() - before;
    (used.allocations + used.reallocations + COUNTED / 2) / COUNTED
}

/// One test for all: the counters are those of the whole process.
#[tokio::test]
async fn a_request_and_a_connection_stay_within_their_budgets() {
    let proxy = started(&bootstrap(ends::endpoint()));
    let http1 = listening(&proxy, "http1").await;
    let http2 = listening(&proxy, "http2").await;
    let mut client = Http1Client::connect(http1);
    let counted = allocations(|| client.exchange());
    within("http1_allocations_per_request", counted);

    // What is kept for the next request is not enough for all that are in flight.
    let mut clients: Vec<_> = (0..IN_FLIGHT)
        .map(|_| Http1Client::connect(http1))
        .collect();
    let counted = allocations(|| {
        clients.iter_mut().for_each(Http1Client::ask);
        clients.iter_mut().for_each(Http1Client::hear);
    });
    within("http1_allocations_of_64_requests_in_flight", counted);
    drop(clients);

    let before = HEAP.stats();
    let mut kept = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut client = Http1Client::connect(http1);
        client.exchange();
        kept.push(client);
    }
    let used = HEAP.stats() - before;
    let held = used.bytes_allocated - used.bytes_deallocated;
    within("bytes_per_idle_connection", held / CONNECTIONS);
    drop(kept);

    let mut client = Http2Client::connect(http2);
    let counted = allocations(|| client.exchange());
    within("http2_allocations_per_stream", counted);
}
