//! The tracer that the proxy configuration asks for. Tracers from the Telemetry API come over
//! discovery and are no concern of the bootstrap.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Context;

/// The tracer and, for some, a file with its access token.
pub(super) fn tracer(context: &Context<'_>, files: &mut Vec<(PathBuf, String)>) -> Option<Value> {
    let config = &context.settings.node.proxy_config;
    if config.at("/tracing/zipkin/address").is_some() {
        return Some(named(
            "zipkin",
            "ZipkinConfig",
            json!({
                "collector_cluster": "zipkin",
                "collector_endpoint": "/api/v2/spans",
                "collector_endpoint_version": "HTTP_JSON",
                "trace_id_128bit": true,
                "shared_span_context": false,
            }),
        ));
    }
    if config.at("/tracing/datadog/address").is_some() {
        return Some(named(
            "datadog",
            "DatadogConfig",
            json!({
                "collector_cluster": "datadog_agent",
                "service_name": context.node.cluster,
            }),
        ));
    }
    if config.at("/tracing/lightstep/address").is_some() {
        let file = context.settings.files.join("lightstep_access_token.txt");
        let tracer = named(
            "lightstep",
            "LightstepConfig",
            json!({
                "collector_cluster": "lightstep",
                "access_token_file": file,
            }),
        );
        files.push((
            file,
            config.text("/tracing/lightstep/accessToken").to_owned(),
        ));
        return Some(tracer);
    }
    None
}

fn named(name: &str, message: &str, mut settings: Value) -> Value {
    settings["@type"] = json!(format!(
        "type.googleapis.com/envoy.config.trace.v3.{message}"
    ));
    json!({"name": format!("envoy.tracers.{name}"), "typed_config": settings})
}
