//! `local_reply_config`.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, row};

fn status_is(status: u32) -> Value {
    json!({"status_code_filter": {"comparison": {
        "op": "EQ", "value": {"default_value": status, "runtime_key": "none"},
    }}})
}

pub fn rows() -> Vec<Row> {
    vec![
        row("a mapper rewrites status, body and fields")
            .cluster(json!({"load_assignment": {"endpoints": []}}))
            .manager(json!({"local_reply_config": {"mappers": [{
                "filter": status_is(503),
                "status_code": 429,
                "body": {"inline_string": "later"},
                "headers_to_add": [{"header": {"key": "retry-after", "value": "5"}}],
            }]}}))
            .get("/", &[])
            .shows("client[0].body", "later")
            .shows("client[0].retry-after", "5")
            .reply("429", "UH", "no_healthy_upstream"),
        row("a body format of text")
            .host(json!({"domains": ["other.example"]}))
            .manager(json!({"local_reply_config": {"body_format": {
                "text_format_source": {"inline_string":
                    "%RESPONSE_CODE% %RESPONSE_FLAGS% %LOCAL_REPLY_BODY% %REQ(:PATH)%\n"},
                "content_type": "text/html; charset=UTF-8",
            }}}))
            .get("/where", &[])
            .shows("client[0].content-type", "text/html; charset=UTF-8"),
        row("a body format of JSON")
            .cluster(json!({"load_assignment": {"endpoints": []}}))
            .manager(
                json!({"local_reply_config": {"body_format": {"json_format": {
                    "code": "%RESPONSE_CODE%", "message": "%LOCAL_REPLY_BODY%",
                    "path": "%REQ(:path)%",
                }}}}),
            )
            .get("/where", &[])
            .shows("client[0].content-type", "application/json"),
        row("a mapper by flag with a format of its own")
            .cluster(json!({"load_assignment": {"endpoints": []}}))
            .manager(json!({"local_reply_config": {
                "mappers": [
                    {"filter": {"response_flag_filter": {"flags": ["NR"]}}, "status_code": 400},
                    {"filter": {"response_flag_filter": {"flags": ["UH"]}},
                     "body_format_override": {"text_format_source": {
                         "inline_string": "gone: %LOCAL_REPLY_BODY%"}}},
                ],
                "body_format": {"json_format": {"code": "%RESPONSE_CODE%"}},
            }}))
            .get("/", &[])
            .shows("client[0].body", "gone: no healthy upstream"),
        row("a mapper by a field of the request that does not match")
            .cluster(json!({"load_assignment": {"endpoints": []}}))
            .manager(json!({"local_reply_config": {"mappers": [{
                "filter": {"header_filter": {"header": {
                    "name": "x-map", "string_match": {"exact": "yes"}}}},
                "status_code": 429,
            }]}}))
            .get("/", &["x-map: no"])
            .reply("503", "UH", "no_healthy_upstream"),
        row("mappers leave answers of endpoints alone")
            .manager(json!({"local_reply_config": {"mappers": [{
                "filter": status_is(200), "status_code": 500,
            }]}}))
            .get("/", &[])
            .reply("200", "", "via_upstream"),
        row("a mapper and gRPC")
            .cluster(json!({"load_assignment": {"endpoints": []}}))
            .manager(json!({"local_reply_config": {"mappers": [{
                "filter": status_is(503), "status_code": 403,
                "body": {"inline_string": "no"},
            }]}}))
            .get("/s/m", &["content-type: application/grpc"])
            .shows("client[0].grpc-message", "no"),
        row("a mapper and a direct response")
            .action(json!({"direct_response": {"status": 418}}))
            .manager(json!({"local_reply_config": {"mappers": [{
                "filter": status_is(418), "status_code": 200,
                "body": {"inline_string": "fine"},
            }]}}))
            .get("/", &[])
            .shows("client[0].body", "fine"),
        row("a mapper and a head that cannot be read")
            .manager(json!({"local_reply_config": {"mappers": [{
                "filter": status_is(400), "status_code": 422,
            }]}}))
            .send("HELLO\r\n\r\n")
            .answers(1)
            .shows("client.end", "closed"),
    ]
}
