//! The configuration that both proxies get: one listener and one cluster per entry of
//! `listeners.yaml`, all before the same endpoint.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::conformance::proxy::address;

/// What a listener has besides the usual.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Special {
    /// Fields of the connection manager.
    #[serde(default)]
    manager: Map<String, Value>,
    /// Fields of the route configuration's only virtual host.
    #[serde(default)]
    routes: Vec<Value>,
    /// HTTP/1 options of the cluster.
    #[serde(default)]
    upstream: Map<String, Value>,
    /// Whether connections to the endpoint carry more than one request.
    #[serde(default)]
    pooled: bool,
}

/// The bootstrap for an endpoint.
pub fn bootstrap(folder: &Path, endpoint: SocketAddr) -> anyhow::Result<Value> {
    let file = folder.join("listeners.yaml");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let listeners: BTreeMap<String, Special> = serde_yaml_ng::from_str(&text)?;
    let mut resources = json!({"listeners": [], "clusters": []});
    for (name, special) in &listeners {
        let push = |list: &mut Value, value| {
            list.as_array_mut().expect("it is a list").push(value);
        };
        push(&mut resources["listeners"], listener(name, special));
        push(&mut resources["clusters"], cluster(name, special, endpoint));
    }
    Ok(json!({"static_resources": resources}))
}

/// A bootstrap with a usual listener for each endpoint, by name, that reuses its connections.
pub fn pooled(endpoints: &[(&str, SocketAddr)]) -> Value {
    let special = Special {
        pooled: true,
        ..Special::default()
    };
    let listeners = endpoints.iter().map(|(name, _)| listener(name, &special));
    let clusters = endpoints
        .iter()
        .map(|(name, endpoint)| cluster(name, &special, *endpoint));
    json!({"static_resources": {
        "listeners": listeners.collect::<Vec<_>>(),
        "clusters": clusters.collect::<Vec<_>>(),
    }})
}

fn listener(name: &str, special: &Special) -> Value {
    let mut routes = special.routes.clone();
    for route in &mut routes {
        route["route"]["cluster"] = json!(name);
    }
    routes.push(json!({"match": {"prefix": "/"}, "route": {"cluster": name}}));
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.\
                  HttpConnectionManager",
        "stat_prefix": name,
        // The time that a refused client gets to read why.
        "delayed_close_timeout": "0.2s",
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "route_config": {"name": name, "virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": routes}]},
    });
    for (field, value) in &special.manager {
        manager[field] = value.clone();
    }
    let any_port = address(SocketAddr::from(([127, 0, 0, 1], 0)));
    json!({"name": name, "address": any_port, "filter_chains": [
        {"filters": [{"name": "http", "typed_config": manager}]}]})
}

fn cluster(name: &str, special: &Special, endpoint: SocketAddr) -> Value {
    let mut options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": special.upstream},
    });
    if !special.pooled {
        // No row finds a connection that another one has left in an odd state.
        options["common_http_protocol_options"] = json!({"max_requests_per_connection": 1});
    }
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": name, "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": address(endpoint)}}]}]},
    })
}
