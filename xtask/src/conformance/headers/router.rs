//! What the router adds and takes: rewrites, attempts, timeouts.

use serde_json::{Value, json};

use crate::conformance::beside::{Act, Row, row};

const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const FAILING: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

fn router(fields: &Value) -> Value {
    let mut config = json!({"@type": ROUTER});
    let object = config.as_object_mut().expect("made above");
    object.extend(fields.as_object().cloned().unwrap_or_default());
    json!({"http_filters": [{"name": "router", "typed_config": config}]})
}

const FRAMING: &str = "the framing is the codec's: edits of fields do not touch it";

/// The client counts as inside, so that its internal fields are believed.
fn inside(more: &Value) -> Value {
    let mut fields = json!({"use_remote_address": true, "internal_address_config": {
        "cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}],
    }});
    let object = fields.as_object_mut().expect("made above");
    object.extend(more.as_object().cloned().unwrap_or_default());
    fields
}

pub fn rows() -> Vec<Row> {
    let mut rows = rewrites();
    rows.extend(asked_for());
    rows.extend(counted());
    rows
}

fn rewrites() -> Vec<Row> {
    let rewrite = |fields: Value| json!({"route": fields});
    vec![
        row("a prefix is rewritten")
            .action(rewrite(json!({"prefix_rewrite": "/new/"})))
            .get("/old/path?q", &["x-envoy-original-path: /mine"])
            .shows("upstream[0].x-envoy-original-path", "/old/path?q"),
        row("a path is rewritten by expression")
            .action(rewrite(json!({"regex_rewrite": {
                "pattern": {"regex": "^/v([0-9]+)/(.*)$"}, "substitution": "/\\2/of/\\1",
            }})))
            .get("/v12/things?q=1", &[])
            .shows("upstream[0].line", "GET /things/of/12?q=1 HTTP/1.1"),
        row("a host is rewritten")
            .action(rewrite(json!({"host_rewrite_literal": "inner.example"})))
            .get("/", &["x-forwarded-host: outer.example"])
            .shows("upstream[0].host", "inner.example"),
        row("a host is rewritten and kept")
            .action(rewrite(json!({
                "host_rewrite_literal": "inner.example", "append_x_forwarded_host": true,
            })))
            .get("/", &["x-forwarded-host: outer.example"])
            .shows("upstream[0].host", "inner.example"),
        row("a host is rewritten to the same and kept")
            .action(rewrite(json!({
                "host_rewrite_literal": "shop.example", "append_x_forwarded_host": true,
            })))
            .get("/", &[])
            .shows("log[0].code", "200"),
        row("a host from a field")
            .action(rewrite(json!({"host_rewrite_header": "x-host"})))
            .get("/", &["x-host: header.example"])
            .shows("upstream[0].host", "header.example"),
        row("fields are added, replaced and removed")
            .action(json!({
                "request_headers_to_add": [
                    {"header": {"key": "x-peer", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}},
                    {"header": {"key": "x-path", "value": "%REQ(:PATH)%"},
                     "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
                    {"header": {"key": "x-new", "value": "1"}, "append_action": "ADD_IF_ABSENT"},
                ],
                "request_headers_to_remove": ["x-secret"],
                "response_headers_to_add": [
                    {"header": {"key": "x-route", "value": "%ROUTE_NAME%"}},
                ],
                "response_headers_to_remove": ["content-length"],
            }))
            .get("/p?q", &["x-path: old", "x-secret: s", "x-new: old", "x-peer: first"])
            .note("client[0].content-length", FRAMING)
            .note("client[0].transfer-encoding", FRAMING)
            .shows("upstream[0].x-secret", "")
            .shows("client[0].x-route", "one"),
    ]
}

fn asked_for() -> Vec<Row> {
    vec![
        row("a request asks for retries")
            .manager(inside(&json!({})))
            .endpoint(vec![Act::Serve(FAILING)])
            .get("/", &["x-envoy-retry-on: 5xx", "x-envoy-max-retries: 2"])
            .shows("log[0].attempts", "3"),
        row("a request asks for retries of a status")
            .manager(inside(&json!({})))
            .endpoint(vec![Act::Serve(
                "HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n",
            )])
            .get(
                "/",
                &[
                    "x-envoy-retry-on: retriable-status-codes",
                    "x-envoy-retriable-status-codes: 418,419",
                ],
            )
            .note("client[0].line", "Envoy has no reason phrase for 418")
            .shows("log[0].attempts", "2"),
        row("a request asks for retries by a field of the answer")
            .manager(inside(&json!({})))
            .endpoint(vec![Act::Serve(
                "HTTP/1.1 200 OK\r\nx-again: 1\r\ncontent-length: 0\r\n\r\n",
            )])
            .get(
                "/",
                &[
                    "x-envoy-retry-on: retriable-headers",
                    "x-envoy-retriable-header-names: x-again",
                ],
            )
            .shows("log[0].attempts", "2"),
        row("a request asks for a timeout of each try")
            .manager(inside(&json!({})))
            .get(
                "/",
                &[
                    "x-envoy-upstream-rq-timeout-ms: 4000",
                    "x-envoy-upstream-rq-per-try-timeout-ms: 3000",
                ],
            )
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "3000"),
        row("a timeout that is no number")
            .manager(inside(&json!({})))
            .get("/", &["x-envoy-upstream-rq-timeout-ms: soon"])
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "15000"),
        row("no timeout")
            .action(json!({"route": {"timeout": "0s"}}))
            .get("/", &[])
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", ""),
        row("the expected timeout of a proxy before us, respected")
            .manager(inside(&router(
                &json!({"respect_expected_rq_timeout": true}),
            )))
            .get("/", &["x-envoy-expected-rq-timeout-ms: 7000"])
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "7000"),
        row("fields of Envoy suppressed")
            .manager(router(&json!({"suppress_envoy_headers": true})))
            .action(json!({"route": {"prefix_rewrite": "/new"}}))
            .get("/", &["x-envoy-other: 1"])
            .shows("client[0].x-envoy-upstream-service-time", "")
            .shows("upstream[0].x-envoy-original-path", ""),
        row("a request asks for company of late tries")
            .manager(inside(&json!({})))
            .get(
                "/",
                &[
                    "x-envoy-upstream-rq-timeout-ms: 4000",
                    "x-envoy-upstream-rq-per-try-timeout-ms: 3000",
                    "x-envoy-hedge-on-per-try-timeout: true",
                ],
            )
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "4000"),
        row("gRPC whose wish is below the maximum")
            .action(json!({"route": {"max_stream_duration": {"grpc_timeout_header_max": "9s"}}}))
            .get(
                "/s/m",
                &["content-type: application/grpc", "grpc-timeout: 3S"],
            )
            .shows("log[0].code", "200"),
        row("gRPC tells how long it waits")
            .action(json!({"route": {"max_stream_duration": {"grpc_timeout_header_max": "9s"}}}))
            .get(
                "/s/m",
                &["content-type: application/grpc", "grpc-timeout: 20S"],
            )
            .shows("log[0].code", "200"),
        row("gRPC by the older maximum tells how long it waits")
            .action(json!({"route": {"max_grpc_timeout": "9s"}}))
            .get(
                "/s/m",
                &["content-type: application/grpc", "grpc-timeout: 20S"],
            )
            .shows("log[0].code", "200"),
    ]
}

fn counted() -> Vec<Row> {
    let counts = json!({
        "include_request_attempt_count": true, "include_attempt_count_in_response": true,
    });
    vec![
        row("attempts are counted")
            .host(counts.clone())
            .get("/", &["x-envoy-attempt-count: 7"])
            .shows("upstream[0].x-envoy-attempt-count", "1")
            .shows("client[0].x-envoy-attempt-count", "1"),
        row("attempts are counted over retries")
            .host(counts.clone())
            .action(json!({"route": {"retry_policy": {
                "retry_on": "5xx", "num_retries": 1,
                "retry_back_off": {"base_interval": "0.01s"},
            }}}))
            .endpoint(vec![Act::Serve(FAILING)])
            .get("/", &[])
            .shows("upstream[1].x-envoy-attempt-count", "2")
            .shows("client[0].x-envoy-attempt-count", "2"),
        row("attempts are counted in answers of the proxy's own")
            .host(counts)
            .action(json!({"direct_response": {"status": 200}}))
            .get("/", &[])
            .shows("log[0].code", "200"),
    ]
}
