//! `server`, `via` and what else is done to answers and to fields of a connection.

use serde_json::{Value, json};

use crate::conformance::beside::{Act, Row, row};

const NAMED: &str = "HTTP/1.1 200 OK\r\nserver: nginx\r\ncontent-length: 0\r\n\
                     date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n";
const HOPS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close, x-hop\r\n\
                    keep-alive: timeout=5\r\nx-hop: 1\r\nproxy-connection: keep-alive\r\n\
                    x-envoy-degraded: 1\r\nx-envoy-immediate-health-check-fail: 1\r\n\r\n";

pub fn rows() -> Vec<Row> {
    let mut rows = answers();
    rows.extend(operations());
    rows
}

fn answers() -> Vec<Row> {
    let transformed = |how: &str| json!({"server_header_transformation": how});
    vec![
        row("the server is ours")
            .endpoint(vec![Act::Serve(NAMED)])
            .get("/", &[])
            .shows("client[0].server", "envoy"),
        row("the server has a name of its own")
            .manager(json!({"server_name": "edge-7"}))
            .endpoint(vec![Act::Serve(NAMED)])
            .get("/", &[])
            .shows("client[0].server", "edge-7"),
        row("the server is the endpoint where it says so")
            .manager(transformed("APPEND_IF_ABSENT"))
            .endpoint(vec![Act::Serve(NAMED)])
            .get("/", &[])
            .shows("client[0].server", "nginx"),
        row("the server is ours where the endpoint is silent")
            .manager(transformed("APPEND_IF_ABSENT"))
            .get("/", &[])
            .shows("client[0].server", "envoy"),
        row("the server passes")
            .manager(transformed("PASS_THROUGH"))
            .endpoint(vec![Act::Serve(NAMED)])
            .get("/", &[])
            .shows("client[0].server", "nginx"),
        row("no server passes")
            .manager(transformed("PASS_THROUGH"))
            .get("/", &[])
            .shows("client[0].server", ""),
        row("the server of an answer of the proxy's own that passes")
            .manager(transformed("PASS_THROUGH"))
            .action(json!({"direct_response": {"status": 200}}))
            .get("/", &[])
            .shows("log[0].code", "200"),
        row("via")
            .manager(json!({"via": "ferry"}))
            .get("/", &["via: 1.0 first"])
            .shows("client[0].via", "ferry"),
        row("fields of the client's connection stay behind")
            .get(
                "/",
                &[
                    "connection: keep-alive, x-hop",
                    "keep-alive: 5",
                    "proxy-connection: keep-alive",
                    "x-hop: 1",
                    "te: trailers, deflate",
                    "proxy-authorization: Basic x",
                    "trailer: x",
                ],
            )
            .shows("log[0].code", "200"),
        row("fields of the endpoint's connection stay behind")
            .endpoint(vec![Act::Serve(HOPS)])
            .get("/", &[])
            .note(
                "client[0].x-hop",
                "what Connection names is not passed on (RFC 9110 section 7.6.1)",
            )
            .shows("client[0].keep-alive", ""),
        row("an agent's name is left alone")
            .get("/", &["user-agent: curl/8"])
            .shows("upstream[0].user-agent", "curl/8"),
        row("the operation that the endpoint names")
            .endpoint(vec![Act::Serve(
                "HTTP/1.1 200 OK\r\nx-envoy-decorator-operation: op\r\ncontent-length: 0\r\n\r\n",
            )])
            .get("/", &[])
            .shows("log[0].code", "200"),
        row("empty values and repeated fields")
            .get(
                "/",
                &[
                    "x-empty:",
                    "x-two: a",
                    "x-two: b",
                    "cookie: a=1",
                    "cookie: b=2",
                ],
            )
            .shows("upstream[0].x-two", "a | b"),
        row("bytes beyond ASCII in values")
            .get("/", &["x-text: gr\u{fc}n"])
            .shows("log[0].code", "200"),
    ]
}

fn operations() -> Vec<Row> {
    vec![
        decorated("an operation that is told upstream", "OUTBOUND", json!({}))
            .get("/", &[])
            .shows("upstream[0].x-envoy-decorator-operation", "op"),
        decorated(
            "an operation that stays here",
            "OUTBOUND",
            json!({"propagate": false}),
        )
        .get("/", &["x-envoy-decorator-operation: claimed"])
        .shows("client[0].x-envoy-decorator-operation", ""),
        decorated("an operation that is told back", "INBOUND", json!({}))
            .get("/", &[])
            .shows("client[0].x-envoy-decorator-operation", "op"),
        decorated(
            "an operation that the client told first",
            "INBOUND",
            json!({}),
        )
        .get("/", &["x-envoy-decorator-operation: claimed"])
        .shows("upstream[0].x-envoy-decorator-operation", "")
        .shows("client[0].x-envoy-decorator-operation", "theirs"),
        row("an operation without tracing")
            .action(json!({"decorator": {"operation": "op"}}))
            .get("/", &["x-envoy-decorator-operation: claimed"])
            .shows("upstream[0].x-envoy-decorator-operation", "claimed"),
    ]
}

/// A route with an operation, in a listener of that direction; the endpoint names another.
fn decorated(name: &'static str, direction: &str, more: Value) -> Row {
    let mut decorator = json!({"operation": "op"});
    let object = decorator.as_object_mut().expect("made above");
    object.extend(more.as_object().cloned().unwrap_or_default());
    row(name)
        .listener(json!({"traffic_direction": direction}))
        .manager(json!({"tracing": {}}))
        .action(json!({"decorator": decorator}))
        .endpoint(vec![Act::Serve(
            "HTTP/1.1 200 OK\r\nx-envoy-decorator-operation: theirs\r\ncontent-length: 0\r\n\r\n",
        )])
}
