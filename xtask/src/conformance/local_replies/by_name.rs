//! Clusters that go by the names of requests, with and without the filter that looks them up. The
//! names are addresses, so that nobody outside is asked.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, row};

const CLUSTER: &str =
    "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig";
const FILTER: &str =
    "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig";
const PER_ROUTE: &str =
    "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const NAME: &str = "envoy.filters.http.dynamic_forward_proxy";

pub fn rows() -> Vec<Row> {
    let mut rows = router_alone();
    rows.extend(with_filter());
    rows
}

/// A row that is for `127.0.0.1` and a port where nobody listens, through a cache.
fn by_name(name: &'static str, more: &Value) -> Row {
    row(name).cluster(json!({
        "type": null,
        "load_assignment": null,
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {"@type": CLUSTER, "dns_cache_config": cache(more)},
        },
    }))
}

fn filtered(name: &'static str, more: &Value) -> Row {
    by_name(name, more).manager(json!({"http_filters": [
        {"name": NAME, "typed_config": {"@type": FILTER, "dns_cache_config": cache(more)}},
        {"name": "router", "typed_config": {"@type": ROUTER}},
    ]}))
}

fn cache(more: &Value) -> Value {
    let mut cache = json!({"name": "$CLUSTER", "dns_lookup_family": "V4_ONLY"});
    for (field, value) in more.as_object().into_iter().flatten() {
        cache[field] = value.clone();
    }
    cache
}

fn denied() -> Value {
    json!({"resolved_address_filter": {
        "ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}],
    }})
}

/// One request per host, one after the other.
fn ask(mut row: Row, hosts: &[&str]) -> Row {
    for host in hosts {
        row = row
            .send_made(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .answers(1);
    }
    row.lines(hosts.len())
}

fn router_alone() -> Vec<Row> {
    const REFUSED: &str = "upstream_reset_before_response_started{remote_connection_failure|\
                           delayed_connect_error:_Connection_refused}";
    vec![
        ask(
            by_name("the host is the endpoint", &json!({})),
            &["127.0.0.1:1"],
        )
        .shows("log[0].upstream", "127.0.0.1:1")
        .reply("503", "UF", REFUSED),
        ask(
            by_name("a host without a port has port 80", &json!({})),
            &["127.0.0.2"],
        )
        .shows("log[0].upstream", "127.0.0.2:80")
        .reply("503", "UF", REFUSED),
        ask(
            by_name("the name that the route gives is looked up", &json!({})),
            &["127.0.0.1"],
        )
        .action(json!({"route": {"host_rewrite_literal": "127.0.0.1:1"}}))
        .shows("log[0].upstream", "127.0.0.1:1")
        .reply("503", "UF", REFUSED),
        ask(
            by_name("a name without a wanted address", &denied()),
            &["127.0.0.1:1", "127.0.0.1:1"],
        )
        .shows("client[0].body", "no healthy upstream")
        .shows("log[1].details", "dns_resolution_failure{address_denied}")
        .shows("log[1].flags", "UH")
        .reply("503", "UH", "dns_resolution_failure{address_denied}"),
        ask(
            by_name("no room for another name", &json!({"max_hosts": 1})),
            &["127.0.0.1:1", "127.0.0.2:1"],
        )
        .shows("client[1].body", "no healthy upstream")
        .shows("log[1].flags", "UH")
        .shows("log[1].details", "dns_cache_overflow"),
        ask(
            by_name(
                "nobody may wait for a name",
                &json!({"dns_cache_circuit_breaker": {"max_pending_requests": 0}}),
            ),
            &["127.0.0.1:1"],
        )
        .shows("client[0].body", "no healthy upstream")
        .reply("503", "UH", "dns_cache_pending_requests_overflow"),
    ]
}

fn with_filter() -> Vec<Row> {
    let rewrite = |fields: Value| {
        let mut settings = json!({"@type": PER_ROUTE});
        for (field, value) in fields.as_object().into_iter().flatten() {
            settings[field] = value.clone();
        }
        json!({"typed_per_filter_config": {NAME: settings}})
    };
    vec![
        ask(
            filtered("the filter finds the endpoint", &json!({})),
            &["127.0.0.1:1"],
        )
        .shows("log[0].upstream", "127.0.0.1:1")
        .shows("log[0].flags", "UF"),
        ask(
            filtered("the filter finds no wanted address", &denied()),
            &["127.0.0.1:1"],
        )
        .shows("client[0].body", "DNS resolution failure")
        .reply("503", "DF", "dns_resolution_failure{address_denied}"),
        ask(
            filtered("the filter finds no room", &json!({"max_hosts": 1})),
            &["127.0.0.1:1", "127.0.0.2:1"],
        )
        .shows("client[1].body", "DNS cache overflow")
        .shows("log[1].flags", "-")
        .shows("log[1].details", "dns_cache_overflow"),
        ask(
            filtered(
                "the filter lets nobody wait",
                &json!({"dns_cache_circuit_breaker": {"max_pending_requests": 0}}),
            ),
            &["127.0.0.1:1"],
        )
        .shows(
            "client[0].body",
            "Dynamic forward proxy pending request overflow",
        )
        .reply("503", "", "dynamic_forward_proxy_pending_request_overflow"),
        ask(
            filtered("the route names another host", &json!({})),
            &["127.0.0.2:1"],
        )
        .action(rewrite(json!({"host_rewrite_literal": "127.0.0.1:1"})))
        .shows("log[0].upstream", "127.0.0.1:1")
        .shows("log[0].request", "GET 127.0.0.1:1 / HTTP/1.1"),
        filtered("a field names another host", &json!({}))
            .action(rewrite(json!({"host_rewrite_header": "X-Host"})))
            .get("/", &["X-Host: 127.0.0.1:1"])
            .shows("log[0].upstream", "127.0.0.1:1"),
    ]
}
