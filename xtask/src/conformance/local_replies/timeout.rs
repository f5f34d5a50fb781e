//! What takes too long.

use serde_json::json;

use crate::conformance::beside::{Act, Row, row};

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf";

/// The client counts as inside, so that its internal fields are believed.
fn inside() -> serde_json::Value {
    json!({"use_remote_address": true, "internal_address_config": {"cidr_ranges": [
        {"address_prefix": "127.0.0.0", "prefix_len": 8},
    ]}})
}

pub fn rows() -> Vec<Row> {
    let mut rows = of_the_client();
    rows.extend(of_the_endpoint());
    rows.extend(of_the_stream());
    rows
}

fn of_the_client() -> Vec<Row> {
    vec![
        row("a head that comes too slowly")
            .manager(json!({"request_headers_timeout": "0.3s"}))
            .send("GET / HTTP/1.1\r\nHost: a\r\n")
            .answers(1)
            .reply("408", "", "request_header_timeout"),
        row("a body that comes too slowly")
            .manager(json!({"request_timeout": "0.3s"}))
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
            .answers(1)
            .reply("408", "", "request_overall_timeout"),
        row("a head that never ends, under the timeout of the whole request")
            .manager(json!({"request_timeout": "0.3s"}))
            .send("GET / HTTP/1.1\r\nHost: a\r\n")
            .answers(1)
            .reply("408", "", "request_overall_timeout"),
        row("a body that stops for longer than a stream may idle")
            .manager(json!({"stream_idle_timeout": "0.3s"}))
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
            .answers(1)
            .reply("408", "SI", "stream_idle_timeout"),
        row("a connection without requests")
            .manager(json!({
                "common_http_protocol_options": {"idle_timeout": "0.3s"},
                "drain_timeout": "0.1s",
            }))
            .get("/", &[])
            .pause(1500)
            .shows("client.end", "closed"),
        row("a connection without any request")
            .manager(json!({"common_http_protocol_options": {"idle_timeout": "0.3s"}}))
            .pause(500)
            .lines(0)
            .shows("client.end", "closed"),
    ]
}

fn of_the_endpoint() -> Vec<Row> {
    let tries = |on: &str| {
        json!({"route": {"timeout": "5s", "retry_policy": {
            "retry_on": on, "num_retries": 1, "per_try_timeout": "0.3s",
            "retry_back_off": {"base_interval": "0.01s"},
        }}})
    };
    vec![
        row("no answer within the route's timeout")
            .action(json!({"route": {"timeout": "0.3s"}}))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "UT", "response_timeout"),
        row("half an answer within the route's timeout")
            .action(json!({"route": {"timeout": "0.3s"}}))
            .endpoint(vec![Act::Read, Act::Send(HALF)])
            .get("/", &[])
            .reply("200", "UT", "response_timeout"),
        row("no answer within the timeout of a try")
            .action(tries(""))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "UT", "upstream_per_try_timeout"),
        row("no answer within the timeout of each try")
            .action(tries("5xx"))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .shows("log[0].attempts", "2")
            .shows("log[0].code", "504"),
        row("no byte within the idle timeout of a try")
            .action(json!({"route": {"retry_policy": {
                "num_retries": 0, "per_try_idle_timeout": "0.3s",
            }}}))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "UT", "upstream_per_try_idle_timeout"),
        row("a TLS endpoint that never shakes hands")
            .cluster(json!({
                "connect_timeout": "0.3s",
                "transport_socket": {"name": "tls", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.\
                              UpstreamTlsContext",
                }},
            }))
            .endpoint(vec![Act::Await])
            .get("/", &[])
            .reply(
                "503",
                "UF",
                "upstream_reset_before_response_started{connection_timeout}",
            ),
        row("the timeout that the request asks for")
            .manager(inside())
            .endpoint(vec![Act::Read])
            .get("/", &["x-envoy-upstream-rq-timeout-ms: 300"])
            .shows("upstream[0].x-envoy-expected-rq-timeout-ms", "300")
            .reply("504", "UT", "response_timeout"),
        row("a timeout with the answer that the request asks for")
            .manager(inside())
            .endpoint(vec![Act::Read])
            .get(
                "/",
                &[
                    "x-envoy-upstream-rq-timeout-ms: 300",
                    "x-envoy-upstream-rq-timeout-alt-response: 1",
                ],
            )
            .shows("log[0].code", "204"),
    ]
}

fn of_the_stream() -> Vec<Row> {
    vec![
        row("a stream that idles before its answer")
            .manager(json!({"stream_idle_timeout": "0.3s"}))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "SI", "stream_idle_timeout"),
        row("a stream that idles by the route's timeout")
            .action(json!({"route": {"idle_timeout": "0.3s"}}))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "SI", "stream_idle_timeout"),
        row("a stream that idles within its answer")
            .manager(json!({"stream_idle_timeout": "0.3s"}))
            .endpoint(vec![Act::Read, Act::Send(HALF)])
            .get("/", &[])
            .reply("200", "SI", "stream_idle_timeout"),
        row("a stream that lives too long")
            .manager(json!({"common_http_protocol_options": {"max_stream_duration": "0.3s"}}))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "", "max_duration_timeout"),
        row("a stream that lives too long for its route")
            .action(json!({"route": {"max_stream_duration": {"max_stream_duration": "0.3s"}}}))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "", "max_duration_timeout"),
        row("a route that limits streams has no timeout of requests")
            .action(json!({"route": {
                "timeout": "0.2s", "max_stream_duration": {"max_stream_duration": "0.6s"},
            }}))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "", "max_duration_timeout"),
        row("a body that is still coming when the stream has lived too long")
            .manager(json!({"common_http_protocol_options": {"max_stream_duration": "0.3s"}}))
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
            .answers(1)
            .reply("408", "", "max_duration_timeout"),
        row("a route's fields on an answer of the connection manager")
            .action(json!({
                "route": {"idle_timeout": "0.3s"},
                "response_headers_to_add": [{"header": {"key": "x-route", "value": "1"}}],
            }))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .shows("client[0].x-route", "1")
            .reply("504", "SI", "stream_idle_timeout"),
        row("a route's fields on answers of the route")
            .action(json!({
                "route": {"timeout": "0.3s"},
                "response_headers_to_add": [{"header": {"key": "x-route", "value": "1"}}],
            }))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .shows("client[0].x-route", "1")
            .reply("504", "UT", "response_timeout"),
        row("a stream that lives too long within its answer")
            .manager(json!({"common_http_protocol_options": {"max_stream_duration": "0.3s"}}))
            .endpoint(vec![Act::Read, Act::Send(HALF)])
            .get("/", &[])
            .reply("200", "", "max_duration_timeout"),
        row("a stream that lives too long at its endpoint")
            .cluster(json!({"typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.\
                              HttpProtocolOptions",
                    "common_http_protocol_options": {"max_stream_duration": "0.3s"},
                    "explicit_http_config": {"http_protocol_options": {}},
                },
            }}))
            .endpoint(vec![Act::Read])
            .get("/", &[])
            .reply("504", "UMSDR", "upstream_max_stream_duration_reached"),
    ]
}
