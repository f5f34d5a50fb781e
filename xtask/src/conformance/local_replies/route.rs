//! Answers that routes give.

use serde_json::json;

use crate::conformance::beside::{Row, row};

pub fn rows() -> Vec<Row> {
    let mut rows = located();
    rows.extend(routed());
    rows
}

/// Direct responses that say where something is.
fn located() -> Vec<Row> {
    vec![
        row("a direct response that something was created says where")
            .action(json!({"direct_response": {"status": 201}}))
            .get("/made?a=b", &[])
            .shows("client[0].location", "http://shop.example/made?a=b")
            .reply("201", "", "direct_response"),
        row("a direct response that leads elsewhere leads to itself")
            .action(json!({"direct_response": {"status": 302}}))
            .get("/there", &[])
            .shows("client[0].location", "http://shop.example/there")
            .reply("302", "", "direct_response"),
    ]
}

fn routed() -> Vec<Row> {
    vec![
        row("no virtual host")
            .host(json!({"domains": ["other.example"]}))
            .get("/", &[])
            .reply("404", "NR", "route_not_found"),
        row("a route for one of two lines of a field")
            .host(json!({"routes": [
                {"match": {"prefix": "/", "headers": [
                    {"name": "x-a", "string_match": {"exact": "2"}},
                    {"name": "x-a", "string_match": {"exact": "1,2"}, "invert_match": true},
                ]}, "direct_response": {"status": 418}},
                {"match": {"prefix": "/"}, "direct_response": {"status": 200}},
            ]}))
            .get("/", &["x-a: 1", "x-a: 2"])
            .note("client[0].line", "Envoy has no reason phrase for 418")
            .reply("418", "", "direct_response"),
        row("a route for the whole of a list that proxies add to")
            .host(json!({"routes": [
                {"match": {"prefix": "/", "headers": [
                    {"name": "x-forwarded-proto", "string_match": {"exact": "http,https"}},
                ]}, "direct_response": {"status": 202}},
                {"match": {"prefix": "/"}, "direct_response": {"status": 200}},
            ]}))
            .get(
                "/",
                &["x-forwarded-proto: http", "x-forwarded-proto: https"],
            )
            .reply("202", "", "direct_response"),
        row("no route")
            .host(json!({"routes": [
                {"match": {"path": "/only"}, "route": {"cluster": "$CLUSTER"}},
            ]}))
            .get("/", &[])
            .reply("404", "NR", "route_not_found"),
        row("no cluster")
            .without_cluster()
            .manager(json!({"route_config": {"validate_clusters": false}}))
            .get("/", &[])
            .reply("503", "NC", "cluster_not_found"),
        row("no cluster, and the route says 404")
            .without_cluster()
            .manager(json!({"route_config": {"validate_clusters": false}}))
            .action(json!({"route": {"cluster_not_found_response_code": "NOT_FOUND"}}))
            .get("/", &[])
            .reply("404", "NC", "cluster_not_found"),
        row("a direct response")
            .action(json!({"direct_response": {"status": 418, "body": {"inline_string": "tea"}}}))
            .get("/", &[])
            .shows("client[0].body", "tea")
            .note("client[0].line", "Envoy has no reason phrase for 418")
            .reply("418", "", "direct_response"),
        row("a direct response without a body")
            .action(json!({"direct_response": {"status": 204}}))
            .get("/", &[])
            .reply("204", "", "direct_response"),
        row("a direct response to HEAD")
            .action(json!({"direct_response": {"status": 200, "body": {"inline_string": "tea"}}}))
            .send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(1)
            .reply("200", "", "direct_response"),
        row("a direct response to a body that is on its way")
            .action(json!({"direct_response": {"status": 403}}))
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            .answers(1)
            .reply("403", "", "direct_response"),
        row("a redirect")
            .action(json!({"redirect": {"path_redirect": "/new", "https_redirect": true}}))
            .get("/old?q=1", &[])
            .shows("client[0].location", "https://shop.example/new?q=1")
            .reply("301", "", "direct_response"),
        row("a redirect that keeps the query")
            .action(json!({"redirect": {
                "prefix_rewrite": "/v2/", "host_redirect": "b.example", "port_redirect": 8443,
                "response_code": "PERMANENT_REDIRECT",
            }}))
            .get("/old?q=1", &[])
            .shows("client[0].location", "http://b.example:8443/v2/old?q=1")
            .note("log[0].request", "the log shows the request as it came")
            .reply("308", "", "direct_response"),
        row("a redirect to TLS")
            .host(json!({"require_tls": "ALL"}))
            .get("/old?q=1", &[])
            .shows("client[0].location", "https://shop.example/old?q=1")
            .reply("301", "", "direct_response"),
        row("a direct response with fields of the route")
            .action(json!({
                "direct_response": {"status": 200, "body": {"inline_string": "{}"}},
                "response_headers_to_add": [
                    {"header": {"key": "content-type", "value": "application/json"},
                     "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
                    {"header": {"key": "x-code", "value": "%RESPONSE_CODE%"}},
                ],
            }))
            .get("/", &[])
            .shows("client[0].content-type", "application/json")
            .reply("200", "", "direct_response"),
    ]
}
