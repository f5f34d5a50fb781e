//! HTTP/2 on either side: what becomes of pseudo-header fields, of fields that only one version has,
//! and of what the connection manager adds.

use serde_json::{Value, json};

use crate::conformance::beside::{Act, Row, Way, row};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-answer: 1\r\n\r\nhello";
const HOPS: &[&str] = &[
    "te: trailers",
    "x-one: 1",
    "x-one: 2",
    "cookie: a=1",
    "cookie: b=2",
];

pub fn rows() -> Vec<Row> {
    let mut rows = ends();
    rows.extend(fields());
    rows.extend(refused());
    rows
}

/// The same request over all pairs of versions.
fn ends() -> Vec<Row> {
    vec![
        row("a request from HTTP/2 to HTTP/1.1")
            .way(Way::Http2)
            .get("/a?b=c", HOPS)
            .shows("upstream[0].line", "GET /a?b=c HTTP/1.1")
            .shows("upstream[0].host", "shop.example")
            .shows("client[0].line", "HTTP/2 200"),
        row("a request from HTTP/1.1 to HTTP/2")
            .http2_endpoint(HELLO)
            .get("/a?b=c", HOPS)
            .shows("upstream[0].line", "GET /a?b=c HTTP/2")
            .shows("upstream[0].:authority", "shop.example")
            .shows("client[0].line", "HTTP/1.1 200 OK"),
        row("a request from HTTP/2 to HTTP/2")
            .way(Way::Http2)
            .http2_endpoint(HELLO)
            .get("/a?b=c", HOPS)
            .shows("upstream[0].line", "GET /a?b=c HTTP/2")
            .shows("client[0].body", "hello"),
        row("a body from HTTP/2 to HTTP/1.1")
            .way(Way::Http2)
            .send("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 4\r\n\r\nbody")
            .answers(1)
            .shows("upstream[0].body", "body"),
        row("a body from HTTP/1.1 to HTTP/2")
            .http2_endpoint(HELLO)
            .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
            .answers(1)
            .shows("upstream[0].body", "body"),
        row("a HEAD request over HTTP/2 on both sides")
            .way(Way::Http2)
            .http2_endpoint(HELLO)
            .send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(1)
            .shows("client[0].body", ""),
        row("fields of an HTTP/1.1 connection stay out of HTTP/2")
            .http2_endpoint(HELLO)
            .get(
                "/",
                &[
                    "connection: keep-alive, x-hop",
                    "x-hop: 1",
                    "keep-alive: 5",
                    "proxy-connection: keep-alive",
                    "te: trailers, deflate",
                ],
            )
            .shows("upstream[0].keep-alive", "")
            .shows("upstream[0].connection", ""),
        row("no content from HTTP/2 to HTTP/1.1")
            .http2_endpoint("HTTP/1.1 204 No Content\r\nx-answer: 1\r\n\r\n")
            .get("/", &[])
            .shows("client[0].line", "HTTP/1.1 204 No Content"),
    ]
}

/// What the connection manager and the router make of fields, on streams.
fn fields() -> Vec<Row> {
    let outside = |more: Value| {
        let mut fields = json!({"use_remote_address": true});
        let object = fields.as_object_mut().expect("made above");
        object.extend(more.as_object().cloned().unwrap_or_default());
        fields
    };
    vec![
        row("a request from outside over HTTP/2")
            .way(Way::Http2)
            .manager(outside(json!({})))
            .get(
                "/",
                &[
                    "x-forwarded-for: 1.2.3.4",
                    "x-forwarded-proto: https",
                    "x-envoy-retry-on: 5xx",
                    "x-envoy-upstream-rq-timeout-ms: 300",
                    "x-envoy-internal: true",
                    "x-request-id: mine",
                ],
            )
            .shows("upstream[0].x-envoy-retry-on", ""),
        row("a trusted hop over HTTP/2")
            .way(Way::Http2)
            .http2_endpoint(HELLO)
            .manager(outside(json!({"xff_num_trusted_hops": 1})))
            .get(
                "/",
                &["x-forwarded-for: 1.2.3.4", "x-forwarded-proto: https"],
            )
            .shows("log[0].client", "1.2.3.4"),
        row("via and server over HTTP/2")
            .way(Way::Http2)
            .manager(json!({"via": "ferry", "server_name": "edge"}))
            .get("/", &[])
            .shows("client[0].via", "ferry"),
        row("paths are made normal over HTTP/2")
            .way(Way::Http2)
            .http2_endpoint(HELLO)
            .manager(json!({"normalize_path": true, "merge_slashes": true}))
            .get("/a/./b//../c?x", &[])
            .shows("upstream[0].line", "GET /a/b/c?x HTTP/2"),
        row("a rewritten host over HTTP/2")
            .http2_endpoint(HELLO)
            .action(json!({"route": {
                "host_rewrite_literal": "inner.example", "append_x_forwarded_host": true,
                "prefix_rewrite": "/new/",
            }}))
            .get("/old", &[])
            .shows("upstream[0].:authority", "inner.example"),
        row("fields that the route adds and removes over HTTP/2")
            .way(Way::Http2)
            .http2_endpoint(HELLO)
            .action(json!({
                "request_headers_to_add": [
                    {"header": {"key": "x-protocol", "value": "%PROTOCOL%"}},
                    {"header": {"key": "x-authority", "value": "%REQ(:AUTHORITY)%"}},
                ],
                "request_headers_to_remove": ["x-secret"],
                "response_headers_to_add": [
                    {"header": {"key": "x-code", "value": "%RESPONSE_CODE%"}},
                ],
                "response_headers_to_remove": ["x-answer"],
            }))
            .get("/", &["x-secret: 1"])
            .shows("upstream[0].x-protocol", "HTTP/2")
            .shows("client[0].x-code", "200"),
        row("a port that is taken off the authority")
            .way(Way::Http2)
            .http2_endpoint(HELLO)
            .manager(json!({"strip_any_host_port": true}))
            .send("GET / HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n")
            .answers(1)
            .shows("upstream[0].:authority", "shop.example"),
        row("an answer of the proxy's own over HTTP/2")
            .way(Way::Http2)
            .action(json!({"direct_response": {"status": 418, "body": {"inline_string": "tea"}}}))
            .get("/", &[])
            .shows("client[0].line", "HTTP/2 418")
            .shows("client[0].body", "tea"),
        row("a redirect over HTTP/2")
            .way(Way::Http2)
            .action(json!({"redirect": {"https_redirect": true, "path_redirect": "/there"}}))
            .get("/here", &[])
            .shows("client[0].location", "https://shop.example/there"),
    ]
}

const ANSWERED: &str = "a stream that is refused gets an answer that says why, not a bare reset";

/// Where an answer shows in the place of a reset.
const ANSWER: [&str; 10] = [
    "client[0].line",
    "client[0].body",
    "client[0].content-length",
    "client[0].content-type",
    "client[0].date",
    "client[0].server",
    "log[0].code",
    "log[0].flags",
    "log[0].flags_long",
    "log[0].sent",
];

/// Requests that no HTTP/2 request may be.
fn refused() -> Vec<Row> {
    vec![
        row("a client that gives its stream up before the answer")
            .way(Way::Http2)
            .endpoint(vec![Act::Read])
            .send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .pause(200)
            .half_close()
            .shows("log[0].code", "0"),
        row("a client that leaves with its stream before the answer")
            .way(Way::Http2)
            .endpoint(vec![Act::Read])
            .send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .pause(200)
            .leave()
            .shows("log[0].code", "0"),
        row("an HTTP/2 endpoint that leaves no answer for HTTP/1.1")
            .refusing()
            .cluster(json!({"typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.\
                              HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                },
            }}))
            .get("/", &[])
            .shows("log[0].flags", "UF"),
        row("names with underscores that are refused over HTTP/2")
            .way(Way::Http2)
            .manager(json!({"common_http_protocol_options": {
                "headers_with_underscores_action": "REJECT_REQUEST",
            }}))
            .get("/", &["x_under: 1"])
            .notes(&ANSWER, ANSWERED)
            .notes(
                &["log[0].request", "log[0].original_path"],
                "our log says what was refused",
            )
            .shows("log[0].details", "http2.unexpected_underscore"),
        row("names with underscores that are dropped over HTTP/2")
            .way(Way::Http2)
            .manager(json!({"common_http_protocol_options": {
                "headers_with_underscores_action": "DROP_HEADER",
            }}))
            .get("/", &["x_under: 1"])
            .shows("upstream[0].x_under", ""),
        row("too many fields over HTTP/2")
            .way(Way::Http2)
            .manager(json!({"common_http_protocol_options": {"max_headers_count": 6}}))
            .get(
                "/",
                &[
                    "a: 1", "b: 2", "c: 3", "d: 4", "e: 5", "f: 6", "g: 7", "h: 8",
                ],
            )
            .notes(&ANSWER, ANSWERED)
            .shows("log[0].details", "http2.too_many_headers"),
    ]
}
