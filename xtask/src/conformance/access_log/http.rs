//! Operators about requests and their answers.

use serde_json::json;

use super::operators;
use crate::conformance::beside::{Act, Row, Way, row};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-answer: 1\r\n\r\nhello";
const TRAILING: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n\
                        5\r\nhello\r\n0\r\nx-end: yes\r\n\r\n";

/// Keys of the log and what they show; what begins with `any` is never the same twice. All that does
/// not depend on TLS.
pub const OPERATORS: &[(&str, &str)] = &[
    ("protocols", "%PROTOCOL% %UPSTREAM_PROTOCOL%"),
    ("protocol", "%PROTOCOL%"),
    ("upstream_protocol", "%UPSTREAM_PROTOCOL%"),
    ("sizes_request", "%REQUEST_HEADERS_BYTES%"),
    ("sizes_trailers", "%RESPONSE_TRAILERS_BYTES%"),
    (
        "quic",
        "%BYTES_RETRANSMITTED% %PACKETS_RETRANSMITTED% %ROUNDTRIP_DURATION%",
    ),
    ("query_one", "%QUERY_PARAM(one)%"),
    ("query_cut", "%QUERY_PARAM(one):2%"),
    ("query_missing", "%QUERY_PARAM(missing)%"),
    ("query_empty", "%QUERY_PARAM(empty)%"),
    ("query_text", "[%QUERY_PARAM(empty)%]"),
    ("query", "%QUERY_PARAMS%"),
    ("query_orig", "%QUERY_PARAMS(ORIG):5%"),
    ("query_decoded", "%QUERY_PARAMS(DECODED)%"),
    ("path", "%PATH%"),
    ("path_bare", "%PATH(NQ)%"),
    ("path_orig", "%PATH(WQ:ORIG)%"),
    ("path_now", "%PATH(NQ:PATH)%"),
    ("path_either", "%PATH(WQ:ORIG_OR_PATH):4%"),
    (
        "request_header",
        "%REQUEST_HEADER(X-ONE?:AUTHORITY)% %REQ(X-ONE):1%",
    ),
    (
        "response_header",
        "%RESPONSE_HEADER(X-ANSWER)% %RESP(X-NONE?X-ANSWER)%",
    ),
    (
        "response_trailer",
        "%RESPONSE_TRAILER(X-END)% %TRAILER(X-END)%",
    ),
    ("details", "%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%"),
    ("names", "%ROUTE_NAME% %VIRTUAL_CLUSTER_NAME%"),
    ("type", "%ACCESS_LOG_TYPE%"),
    ("asked", "%REQUESTED_SERVER_NAME%"),
    ("asked_first", "%REQUESTED_SERVER_NAME(SNI_FIRST)%"),
    ("asked_host", "%REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%"),
    ("asked_orig", "%REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)%"),
    (
        "asked_either",
        "%REQUESTED_SERVER_NAME(HOST_FIRST:ORIG_OR_HOST)%",
    ),
    (
        "upstream_name",
        "%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%",
    ),
    (
        "attempted",
        "%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%",
    ),
    ("attempted_names", "%UPSTREAM_HOST_NAMES_ATTEMPTED%"),
    (
        "attempted_bare",
        "%UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%",
    ),
    (
        "networks",
        "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(32)%",
    ),
    (
        "addresses",
        "%UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT% %DOWNSTREAM_LOCAL_PORT%",
    ),
    ("traces", "%TRACE_ID% %SPAN_ID%"),
    (
        "metadata",
        "%METADATA(DYNAMIC:none)% %DYNAMIC_METADATA(none:key)%",
    ),
    (
        "grpc",
        "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%",
    ),
    ("number", "%RESPONSE_CODE%%BYTES_SENT%"),
    ("percent", "100%%"),
    ("any_start", "%START_TIME(%s.%3f)%"),
    ("any_emit", "%EMIT_TIME% %EMIT_TIME(%a %A %b %B %e %j %Y)%"),
    ("any_duration", "%DURATION%"),
    ("any_request", "%REQUEST_DURATION%"),
    ("any_request_sent", "%REQUEST_TX_DURATION%"),
    ("any_response", "%RESPONSE_DURATION%"),
    ("any_response_sent", "%RESPONSE_TX_DURATION%"),
    ("any_pool", "%UPSTREAM_CONNECTION_POOL_READY_DURATION%"),
    ("any_received", "%COMMON_DURATION(DS_RX_BEG:DS_RX_END:us)%"),
    ("any_waited", "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ns)%"),
    ("any_sending", "%COMMON_DURATION(US_TX_BEG:US_TX_END:ms)%"),
    ("any_replying", "%COMMON_DURATION(DS_TX_BEG:DS_TX_END:ns)%"),
    ("any_connection", "%CONNECTION_ID%"),
    ("any_upstream_connection", "%UPSTREAM_CONNECTION_ID%"),
    ("any_unique", "%UNIQUE_ID%"),
    ("listener", "%LISTENER_NAME%"),
    ("custom_flags", "%CUSTOM_FLAGS%"),
    ("custom_flags_text", "[%CUSTOM_FLAGS%]"),
    (
        "direct",
        "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT(8)% %DOWNSTREAM_DIRECT_LOCAL_PORT%",
    ),
    ("handshake", "%DOWNSTREAM_HANDSHAKE_DURATION%"),
    (
        "zone",
        "%START_TIME_LOCAL(%z %Z %Y)% %EMIT_TIME_LOCAL(%H %z)%",
    ),
    (
        "any_ports",
        "%DOWNSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_PORT%",
    ),
    ("any_host", "%HOSTNAME%"),
];

pub fn rows() -> Vec<Row> {
    let mut rows = with_endpoint();
    rows.extend(without_endpoint());
    rows
}

fn with_endpoint() -> Vec<Row> {
    vec![
        row("operators of a request over HTTP/1.1")
            .log(operators(OPERATORS))
            .endpoint(vec![Act::Serve(HELLO)])
            .get(
                "/a%20b?one=first%20one&empty=&one=second&%6fne=third",
                &["x-one: 1"],
            )
            .note(
                "log[0].query_decoded",
                "what is decoded is not encoded again",
            )
            .shows("log[0].query_one", "first one")
            .shows("log[0].path_bare", "/a%20b"),
        row("operators of a request over HTTP/2 on both sides")
            .way(Way::Http2)
            .log(operators(OPERATORS))
            .http2_endpoint(HELLO)
            .get("/a?one=1+2", &["x-one: 1"])
            .shows("log[0].protocols", "HTTP/2 HTTP/2"),
        row("operators of an answer with trailers")
            .log(operators(OPERATORS))
            .manager(json!({"http_protocol_options": {"enable_trailers": true}}))
            .cluster(json!({"typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.\
                              HttpProtocolOptions",
                    "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
                },
            }}))
            .endpoint(vec![Act::Serve(TRAILING)])
            .get("/", &["te: trailers"])
            .shows("log[0].response_trailer", "yes yes"),
        row("operators of a request whose path and host are rewritten")
            .log(operators(OPERATORS))
            .action(json!({"route": {
                "prefix_rewrite": "/new/", "host_rewrite_literal": "inner.example",
            }}))
            .get(
                "/old/path?one=1",
                &["x-envoy-original-host: claimed.example"],
            )
            .shows("log[0].path_orig", "/old/path?one=1"),
        row("operators of a request that was tried again")
            .log(operators(OPERATORS))
            .action(json!({"route": {"retry_policy": {"retry_on": "5xx", "num_retries": 1}}}))
            .cluster(
                json!({"load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {
                    "hostname": "named.example:80",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}},
                }}]}]}}),
            )
            .get("/", &[])
            .notes(
                &[
                    "log[0].attempted",
                    "log[0].attempted_bare",
                    "log[0].attempted_names",
                ],
                "our log names endpoints that could not be reached",
            )
            .note(
                "log[0].any_pool",
                "our log has the time until there was a connection, and here was none",
            )
            .shows("log[0].upstream_name", "named.example:80 named.example")
            .shows("log[0].attempts", "2"),
    ]
}

/// Answers that are the proxy's own, and what else shows in few values.
fn without_endpoint() -> Vec<Row> {
    vec![
        row("operators of an answer of the proxy's own")
            .log(operators(OPERATORS))
            .action(json!({"direct_response": {"status": 204}}))
            .get("/?one=1", &[])
            .shows("log[0].upstream_protocol", "null"),
        row("operators of a request that is malformed")
            .log(operators(OPERATORS))
            .send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
            .answers(1)
            .shows("log[0].code", "400"),
        row("operators of a request without endpoints")
            .log(operators(OPERATORS))
            .cluster(json!({"load_assignment": {"endpoints": []}}))
            .get("/", &[])
            .shows("log[0].flags", "UH"),
        row("operators of a gRPC request")
            .log(operators(OPERATORS))
            .endpoint(vec![Act::Serve(
                "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\
                 grpc-status: 5\r\n\r\n",
            )])
            .get("/", &["content-type: application/grpc"])
            .shows("log[0].grpc", "NotFound NOT_FOUND 5"),
        row("sizes of heads")
            .log(json!({"sizes": "%REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES%"}))
            .manager(json!({"generate_request_id": false}))
            .action(json!({"direct_response": {"status": 200, "body": {"inline_string": "x"}}}))
            .get("/", &["x-one: 1"])
            .shows("log[0].code", "200"),
        row("values that are empty are left out")
            .manager(json!({"access_log": [{"name": "file", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.\
                          FileAccessLog",
                "path": "/dev/null",
                "log_format": {
                    "omit_empty_values": true,
                    "text_format_source": {"inline_string": "%REQ(X-NONE)%%PATH(NQ:ORIG)%\n"},
                },
            }}]}))
            .get("/", &[])
            .lines(0),
    ]
}
