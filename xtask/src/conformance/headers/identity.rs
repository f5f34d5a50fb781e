//! `x-request-id`.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, row};

const ID: &str = "x-request-id: 7d4b8a10-8f2c-4a7e-9a2b-0c1d2e3f4a5b";

fn uuid(fields: &Value) -> Value {
    let mut config = json!({
        "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
    });
    let object = config.as_object_mut().expect("made above");
    object.extend(fields.as_object().cloned().unwrap_or_default());
    json!({"typed_config": config})
}

pub fn rows() -> Vec<Row> {
    vec![
        row("a request id is made")
            .get("/", &[])
            .shows("upstream[0].x-request-id", "UUID with 4"),
        row("a request id is kept inside")
            .get("/", &["x-request-id: mine"])
            .shows("upstream[0].x-request-id", "mine"),
        row("a request id from outside is replaced")
            .manager(json!({"use_remote_address": true}))
            .get("/", &["x-request-id: mine"])
            .shows("upstream[0].x-request-id", "UUID with 4"),
        row("a request id from outside is kept where told")
            .manager(json!({"use_remote_address": true, "preserve_external_request_id": true}))
            .get("/", &["x-request-id: mine"])
            .shows("upstream[0].x-request-id", "mine"),
        row("no request id is made where told")
            .manager(json!({"generate_request_id": false}))
            .get("/", &[])
            .shows("upstream[0].x-request-id", ""),
        row("a request id in every answer")
            .manager(json!({"always_set_request_id_in_response": true}))
            .get("/", &["x-request-id: mine"])
            .shows("client[0].x-request-id", "mine"),
        row("a request id in an answer of the proxy's own")
            .manager(json!({"always_set_request_id_in_response": true}))
            .action(json!({"direct_response": {"status": 200}}))
            .get("/", &["x-request-id: mine"])
            .shows("client[0].x-request-id", "mine"),
        row("a traced request id without tracing")
            .get("/", &["x-request-id: 7d4b8a10-8f2c-9a7e-9a2b-0c1d2e3f4a5b"])
            .shows("upstream[0].x-request-id", "UUID with 9"),
        row("a request id that is forced to be traced")
            .get("/", &[ID, "x-envoy-force-trace: true"])
            .shows("log[0].code", "200"),
        row("a client that asks to be traced")
            .get("/", &[ID, "x-client-trace-id: abc"])
            .shows("log[0].code", "200"),
        row("every request is traced where tracing says so")
            .manager(json!({"tracing": {}}))
            .get("/", &[])
            .shows("upstream[0].x-request-id", "UUID with 9"),
        row("no request is traced where tracing says so")
            .manager(json!({"tracing": {"random_sampling": {"value": 0}}}))
            .get("/", &[ID])
            .shows("upstream[0].x-request-id", "UUID with 4"),
        row("a client that asks to be traced, where tracing is on")
            .manager(json!({"tracing": {"random_sampling": {"value": 0}}}))
            .get("/", &[ID, "x-client-trace-id: abc"])
            .shows("upstream[0].x-request-id", "UUID with b"),
        row("an internal request that is forced to be traced")
            .manager(json!({
                "tracing": {"random_sampling": {"value": 0}},
                "use_remote_address": true,
                "internal_address_config": {"cidr_ranges": [
                    {"address_prefix": "127.0.0.0", "prefix_len": 8},
                ]},
            }))
            .get("/", &[ID, "x-envoy-force-trace: true"])
            .shows("upstream[0].x-request-id", "UUID with a")
            .shows("client[0].x-request-id", "UUID with a"),
        row("a traced request where nothing may be traced")
            .manager(json!({"tracing": {"overall_sampling": {"value": 0}}}))
            .get("/", &["x-request-id: 7d4b8a10-8f2c-9a7e-9a2b-0c1d2e3f4a5b"])
            .shows("upstream[0].x-request-id", "UUID with 4"),
        row("a traced request from outside whose id is kept")
            .manager(json!({"use_remote_address": true, "preserve_external_request_id": true}))
            .get("/", &["x-request-id: 7d4b8a10-8f2c-9a7e-9a2b-0c1d2e3f4a5b"])
            .shows("log[0].code", "200"),
        row("traced ids that do not keep the reason")
            .manager(json!({
                "tracing": {},
                "request_id_extension": uuid(&json!({"pack_trace_reason": false})),
            }))
            .get("/", &[ID])
            .shows("upstream[0].x-request-id", "UUID with 4"),
        row("request ids without the reason of a trace")
            .manager(json!({"request_id_extension": uuid(&json!({"pack_trace_reason": false}))}))
            .get("/", &[ID, "x-envoy-force-trace: true"])
            .shows("upstream[0].x-request-id", "UUID with 4"),
        row("request ids that do not decide about traces")
            .manager(json!({"request_id_extension": uuid(&json!({
                "use_request_id_for_trace_sampling": false,
            }))}))
            .get("/", &["x-request-id: mine"])
            .shows("upstream[0].x-request-id", "mine"),
    ]
}
