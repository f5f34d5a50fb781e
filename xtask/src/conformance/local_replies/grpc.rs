//! Answers of the proxy's own to gRPC requests.

use serde_json::json;

use crate::conformance::beside::{Act, Row, Way, row};

const DECODED: &str = "our log counts the bytes that the endpoint gets";
const GRPC: &str = "content-type: application/grpc";

pub fn rows() -> Vec<Row> {
    vec![
        row("gRPC without a route")
            .host(json!({"domains": ["other.example"]}))
            .get("/s/m", &[GRPC])
            .shows("client[0].grpc-status", "12")
            .reply("200", "NR", "route_not_found"),
        row("gRPC without an endpoint")
            .cluster(json!({"load_assignment": {"endpoints": []}}))
            .get("/s/m", &[GRPC])
            .shows("client[0].grpc-status", "14")
            .shows("client[0].grpc-message", "no healthy upstream")
            .reply("200", "UH", "no_healthy_upstream"),
        row("gRPC to an endpoint that nobody listens at")
            .refusing()
            .get("/s/m", &["content-type: application/grpc+proto"])
            .shows("client[0].grpc-status", "14"),
        row("gRPC that takes too long")
            .action(json!({"route": {"timeout": "0.3s"}}))
            .endpoint(vec![Act::Read])
            .get("/s/m", &[GRPC])
            .shows("client[0].grpc-status", "14"),
        row("gRPC that takes longer than it wanted to wait")
            .action(json!({"route": {"max_stream_duration": {"grpc_timeout_header_max": "5s"}}}))
            .endpoint(vec![Act::Read])
            .get("/s/m", &[GRPC, "grpc-timeout: 300m"])
            .shows("client[0].grpc-status", "4"),
        row("gRPC that wants to wait longer than it may")
            .action(json!({"route": {
                "timeout": "5s",
                "max_stream_duration": {"grpc_timeout_header_max": "0.3s"},
            }}))
            .endpoint(vec![Act::Read])
            .get("/s/m", &[GRPC, "grpc-timeout: 5S"])
            .shows("client[0].grpc-status", "4"),
        row("gRPC by the older maximum of the timeout")
            .action(json!({"route": {"max_grpc_timeout": "0.3s"}}))
            .endpoint(vec![Act::Read])
            .get("/s/m", &[GRPC, "grpc-timeout: 5S"])
            .shows("log[0].code", "200"),
        row("a direct response to gRPC")
            .action(json!({"direct_response": {
                "status": 403, "body": {"inline_string": "not % you\u{e9}"},
            }}))
            .get("/s/m", &[GRPC])
            .shows("client[0].grpc-status", "7"),
        row("a redirect of gRPC")
            .action(json!({"redirect": {"path_redirect": "/new"}}))
            .get("/s/m", &[GRPC])
            .shows("client[0].location", "http://shop.example/new"),
        row("gRPC statuses that are tried again")
            .action(json!({"route": {"retry_policy": {
                "retry_on": "unavailable", "num_retries": 1,
                "retry_back_off": {"base_interval": "0.01s"},
            }}}))
            .endpoint(vec![Act::Serve(
                "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\n\
                 content-length: 0\r\n\r\n",
            )])
            .get("/s/m", &[GRPC])
            .shows("log[0].attempts", "2")
            .shows("log[0].flags", "URX"),
        row("another type that only begins like gRPC")
            .host(json!({"domains": ["other.example"]}))
            .get("/s/m", &["content-type: application/grpc-web"])
            .reply("404", "NR", "route_not_found"),
        web("gRPC-Web with characters that are not base64")
            .send_made(web_request("AAAA*AAA"))
            .answers(1)
            .note("log[0].received", DECODED)
            .shows("log[0].details", "grpc_base_64_decode_failed"),
        web("gRPC-Web that ends within a group of base64")
            .send_made(web_request("AAAAAA"))
            .answers(1)
            .note("log[0].received", DECODED)
            .shows("log[0].details", "grpc_base_64_decode_failed_bad_size"),
        web("gRPC-Web over HTTP/2 with characters that are not base64")
            .way(Way::Http2)
            .note(
                "client[0].content-length",
                "an answer that ends with its head has no length",
            )
            .send_made(web_request("AAAA*AAA"))
            .answers(1)
            .note("log[0].received", DECODED)
            .shows("log[0].details", "grpc_base_64_decode_failed"),
    ]
}

/// A row with the gRPC-Web filter.
fn web(name: &'static str) -> Row {
    let filter = |name: &str, kind: &str| {
        let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}");
        json!({"name": name, "typed_config": {"@type": kind}})
    };
    row(name).manager(json!({"http_filters": [
        filter("web", "grpc_web.v3.GrpcWeb"),
        filter("router", "router.v3.Router"),
    ]}))
}

fn web_request(body: &str) -> String {
    format!(
        "POST /s/m HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web-text\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}
