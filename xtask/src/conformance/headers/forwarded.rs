//! Where a request comes from: `x-forwarded-*`, internal and external addresses, and what is
//! believed from outside.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, row};

fn edge(more: &Value) -> Value {
    let mut fields = json!({"use_remote_address": true});
    let object = fields.as_object_mut().expect("made above");
    object.extend(more.as_object().cloned().unwrap_or_default());
    fields
}

fn loopback_is_inside() -> Value {
    json!({"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]})
}

pub fn rows() -> Vec<Row> {
    let mut rows = at_the_edge();
    rows.extend(inside());
    rows.extend(internal());
    rows
}

fn at_the_edge() -> Vec<Row> {
    vec![
        row("at the edge the peer is the client")
            .manager(edge(&json!({})))
            .get("/", &[])
            .shows("upstream[0].x-forwarded-proto", "http"),
        row("at the edge the peer is appended")
            .manager(edge(&json!({})))
            .get(
                "/",
                &[
                    "x-forwarded-for: 10.1.1.1, 8.8.8.8",
                    "x-forwarded-proto: https",
                ],
            )
            .shows("log[0].client", "127.0.0.1"),
        row("at the edge behind one trusted hop")
            .manager(edge(&json!({"xff_num_trusted_hops": 1})))
            .get(
                "/",
                &[
                    "x-forwarded-for: 10.1.1.1, 8.8.8.8",
                    "x-forwarded-proto: https",
                ],
            )
            .shows("log[0].client", "8.8.8.8")
            .shows("upstream[0].x-envoy-external-address", "8.8.8.8"),
        row("at the edge behind two trusted hops")
            .manager(edge(&json!({"xff_num_trusted_hops": 2})))
            .get("/", &["x-forwarded-for: 9.9.9.9, 10.1.1.1, 8.8.8.8"])
            .shows("log[0].client", "10.1.1.1"),
        row("at the edge behind more trusted hops than addresses")
            .manager(edge(&json!({"xff_num_trusted_hops": 3})))
            .get("/", &["x-forwarded-for: 8.8.8.8"])
            .shows("log[0].client", "127.0.0.1"),
        row("at the edge, leaving x-forwarded-for alone")
            .manager(edge(&json!({"skip_xff_append": true})))
            .get("/", &["x-forwarded-for: 8.8.8.8"])
            .shows("upstream[0].x-forwarded-for", "8.8.8.8"),
        row("at the edge with the port")
            .manager(edge(&json!({"append_x_forwarded_port": true})))
            .get("/", &[])
            .shows("upstream[0].x-forwarded-port", "LISTENER"),
        row("the port that a proxy before us has seen")
            .manager(json!({"append_x_forwarded_port": true}))
            .get("/", &["x-forwarded-port: 443", "x-forwarded-proto: https"])
            .shows("upstream[0].x-forwarded-port", "443"),
        row("forwarded fields that are no address")
            .manager(edge(&json!({"xff_num_trusted_hops": 1})))
            .get("/", &["x-forwarded-for: nonsense"])
            .shows("log[0].client", "127.0.0.1"),
        row("an IPv6 client behind a trusted hop")
            .manager(edge(&json!({"xff_num_trusted_hops": 1})))
            .get("/", &["x-forwarded-for: 2001:db8::1"])
            .shows("log[0].client", "2001:db8::1"),
        row("at the edge, what claims to be external or internal")
            .manager(edge(&json!({})))
            .get(
                "/",
                &[
                    "x-envoy-external-address: 6.6.6.6",
                    "x-envoy-internal: true",
                ],
            )
            .shows("upstream[0].x-envoy-internal", ""),
    ]
}

fn inside() -> Vec<Row> {
    vec![
        row("inside, the last forwarded address is the client")
            .get("/", &["x-forwarded-for: 10.1.1.1, 8.8.8.8"])
            .shows("log[0].client", "8.8.8.8")
            .shows("upstream[0].x-forwarded-for", "10.1.1.1, 8.8.8.8"),
        row("inside, without forwarded addresses")
            .get("/", &[])
            .shows("upstream[0].x-forwarded-for", "")
            .shows("log[0].client", "127.0.0.1"),
        row("inside, behind one trusted hop")
            .manager(json!({"xff_num_trusted_hops": 1}))
            .get("/", &["x-forwarded-for: 9.9.9.9, 8.8.8.8"])
            .shows("log[0].client", "9.9.9.9"),
        row("inside, the scheme that was forwarded")
            .get("/", &["x-forwarded-proto: https"])
            .shows("upstream[0].x-forwarded-proto", "https"),
        row("inside, a scheme that is none")
            .get("/", &["x-forwarded-proto: gopher"])
            .shows("log[0].code", "200"),
        row("inside, the port in an address")
            .get("/", &["x-forwarded-for: 8.8.8.8:1234"])
            .shows("log[0].code", "200"),
        row("two x-forwarded-for fields")
            .get(
                "/",
                &["x-forwarded-for: 1.1.1.1", "x-forwarded-for: 2.2.2.2"],
            )
            .note(
                "upstream[0].x-forwarded-for",
                "two lines of a list are as good as one (RFC 9110 section 5.3)",
            )
            .shows("log[0].client", "2.2.2.2"),
    ]
}

fn internal() -> Vec<Row> {
    let claims = [
        "x-envoy-upstream-rq-timeout-ms: 4000",
        "x-envoy-upstream-rq-per-try-timeout-ms: 3000",
        "x-envoy-retry-on: 5xx",
        "x-envoy-max-retries: 2",
        "x-envoy-upstream-alt-stat-name: other",
        "x-envoy-hedge-on-per-try-timeout: true",
        "x-envoy-retriable-status-codes: 418",
        "x-envoy-retriable-header-names: x-a",
        "x-envoy-upstream-rq-timeout-alt-response: 1",
        "x-envoy-expected-rq-timeout-ms: 77",
        "x-envoy-force-trace: 1",
        "x-envoy-ip-tags: a",
        "x-envoy-original-url: /o",
        "x-envoy-original-path: /p",
        "x-envoy-original-host: h",
        "x-envoy-downstream-service-cluster: c",
        "x-envoy-downstream-service-node: n",
        "x-envoy-external-address: 6.6.6.6",
        "x-envoy-decorator-operation: op",
        "x-envoy-attempt-count: 9",
        "x-envoy-is-timeout-retry: true",
        "x-envoy-peer-metadata: m",
        "x-envoy-other: kept",
    ];
    vec![
        row("internal fields from outside")
            .manager(edge(&json!({})))
            .get("/", &claims)
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "15000")
            .shows("upstream[0].x-envoy-other", "kept"),
        row("internal fields where no address counts as inside")
            .get("/", &claims)
            .shows("upstream[0].x-envoy-original-path", "/p")
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "15000"),
        row("internal fields from an address that is inside")
            .manager(edge(
                &json!({"internal_address_config": loopback_is_inside()}),
            ))
            .get("/", &claims)
            .shows("upstream[0].x-envoy-internal", "true")
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "4000"),
        row("an internal client that was forwarded to the edge")
            .manager(edge(
                &json!({"internal_address_config": loopback_is_inside()}),
            ))
            .get("/", &["x-forwarded-for: 8.8.8.8"])
            .shows("log[0].code", "200"),
        row("an internal client that forwards one address")
            .manager(json!({"internal_address_config": {"cidr_ranges": [
                {"address_prefix": "10.0.0.0", "prefix_len": 8},
            ]}}))
            .get("/", &["x-forwarded-for: 10.2.3.4"])
            .shows("upstream[0].x-envoy-internal", "true"),
        row("an internal client that forwards two addresses")
            .manager(json!({"internal_address_config": {"cidr_ranges": [
                {"address_prefix": "10.0.0.0", "prefix_len": 8},
            ]}}))
            .get("/", &["x-forwarded-for: 10.2.3.4, 10.2.3.5"])
            .shows("log[0].code", "200"),
        row("local addresses where none was named")
            .get("/", &["x-forwarded-for: 10.2.3.4"])
            .shows("log[0].code", "200"),
        row("private addresses are inside where networks are not named")
            .manager(edge(
                &json!({"internal_address_config": {"unix_sockets": true}}),
            ))
            .get("/", &["x-envoy-upstream-rq-timeout-ms: 4000"])
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "4000"),
        row("a peer that is inside but forwards nothing")
            .manager(json!({"internal_address_config": loopback_is_inside()}))
            .get("/", &["x-envoy-upstream-rq-timeout-ms: 4000"])
            .shows("upstream[0].x-envoy-internal", ""),
    ]
}
