//! One static bootstrap of all rows: a listener and a cluster each.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::row::Row;
use crate::conformance::proxy::address;

const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.\
                       http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const TCP_PROXY: &str =
    "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const FILE_LOG: &str = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";

/// Where a row's endpoint and log are.
pub struct Places<'a> {
    /// The endpoint.
    pub endpoint: SocketAddr,
    /// The access log.
    pub log: &'a Path,
}

/// The name of a row's listener and cluster.
pub fn listener_name(index: usize) -> String {
    format!("row-{index}")
}

/// The bootstrap of `rows`, which are at `places`; certificates are in a folder of their own.
pub fn bootstrap(rows: &[Row], places: &[Places<'_>], certificates: &Path) -> Value {
    let folder = certificates.display().to_string();
    let (mut listeners, mut clusters) = (Vec::new(), Vec::new());
    for (index, (row, places)) in rows.iter().zip(places).enumerate() {
        let name = listener_name(index);
        let words = [("$CLUSTER", name.as_str()), ("$CERTIFICATES", &folder)];
        listeners.push(named(listener(row, &name, places), &words));
        clusters.extend(cluster(row, &name, places).map(|cluster| named(cluster, &words)));
    }
    json!({
        "static_resources": {"listeners": listeners, "clusters": clusters},
    })
}

fn listener(row: &Row, name: &str, places: &Places<'_>) -> Value {
    let filter = match &row.tcp {
        Some(fields) => tcp_proxy(row, fields, name, places),
        None => manager(row, name, places),
    };
    let mut chain = json!({"filters": [{"name": "the filter", "typed_config": filter}]});
    let transport = row.transport.clone();
    if let Some(socket) = transport.or_else(|| row.way.transport_socket()) {
        chain["transport_socket"] = socket;
    }
    let mut listener = json!({
        "name": name,
        "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
        "filter_chains": [chain],
    });
    lay_over(&mut listener, &row.listener);
    listener
}

fn tcp_proxy(row: &Row, fields: &Value, name: &str, places: &Places<'_>) -> Value {
    let mut proxy = json!({
        "@type": TCP_PROXY,
        "stat_prefix": name,
        "cluster": name,
        "access_log": access_log(row, places),
    });
    lay_over(&mut proxy, fields);
    proxy
}

fn access_log(row: &Row, places: &Places<'_>) -> Value {
    let mut format = log_format();
    lay_over(&mut format, &row.log);
    json!([{"name": "file", "typed_config": {
        "@type": FILE_LOG, "path": places.log, "log_format": {"json_format": format},
    }}])
}

fn manager(row: &Row, name: &str, places: &Places<'_>) -> Value {
    let mut action = json!({"route": {"cluster": name}});
    lay_over(&mut action, &row.action);
    if row.action.get("direct_response").is_some() || row.action.get("redirect").is_some() {
        action.as_object_mut().expect("made above").remove("route");
    }
    let mut route = json!({"name": "one", "match": {"prefix": "/"}});
    lay_over(&mut route, &action);
    let mut host = json!({"name": "all", "domains": ["*"], "routes": [route]});
    lay_over(&mut host, &row.host);
    let mut manager = json!({
        "@type": MANAGER,
        "stat_prefix": name,
        "delayed_close_timeout": "0.05s",
        "route_config": {"name": "local", "virtual_hosts": [host]},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
        "access_log": access_log(row, places),
    });
    lay_over(&mut manager, &row.manager);
    manager
}

/// What the log says about each request.
fn log_format() -> Value {
    json!({
        "code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "flags_long": "%RESPONSE_FLAGS_LONG%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
        "ended": "%CONNECTION_TERMINATION_DETAILS%",
        "received": "%BYTES_RECEIVED%",
        "sent": "%BYTES_SENT%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "request": "%REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(:PATH)% %PROTOCOL%",
        "original_path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "route": "%ROUTE_NAME%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "upstream": "%UPSTREAM_HOST%",
        "grpc": "%GRPC_STATUS%",
    })
}

fn cluster(row: &Row, name: &str, places: &Places<'_>) -> Option<Value> {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address(places.endpoint)}},
        ]}]},
    });
    if matches!(row.endpoint, Endpoint::Http2(_)) {
        cluster["typed_extension_protocol_options"] = json!({HTTP_OPTIONS: {
            "@type": format!("type.googleapis.com/{HTTP_OPTIONS}"),
            "explicit_http_config": {"http2_protocol_options": {}},
        }});
    }
    lay_over(&mut cluster, row.cluster.as_ref()?);
    Some(cluster)
}

/// Lays `over` on `value`: objects field by field, everything else as a whole; null removes.
fn lay_over(value: &mut Value, over: &Value) {
    let (Value::Object(value), Value::Object(over)) = (&mut *value, over) else {
        return;
    };
    for (key, over) in over {
        match (value.get_mut(key), over) {
            (_, Value::Null) => drop(value.remove(key)),
            (Some(inner @ Value::Object(_)), Value::Object(_)) => lay_over(inner, over),
            _ => drop(value.insert(key.clone(), over.clone())),
        }
    }
}

/// Replaces words in all texts.
fn named(value: Value, words: &[(&str, &str)]) -> Value {
    match value {
        Value::String(mut text) => {
            for (word, by) in words {
                text = text.replace(word, by);
            }
            Value::String(text)
        }
        Value::Array(list) => list.into_iter().map(|each| named(each, words)).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, each)| (key, named(each, words)))
                .collect(),
        ),
        other => other,
    }
}
