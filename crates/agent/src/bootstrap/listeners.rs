//! Static listeners: metrics for Prometheus and readiness for the platform's probe, both outside
//! the mesh's own rules, and the optional ones with mutual TLS.

use serde_json::{Value, json};

use super::{Context, tls_context};

const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.\
                       http_connection_manager.v3.HttpConnectionManager";

pub(super) fn all(context: &Context<'_>) -> Vec<Value> {
    let node = &context.settings.node;
    let mut listeners = Vec::new();
    let metrics = [("/stats/prometheus", "prometheus_stats")];
    let merged = [("/stats/prometheus", "agent"), ("/metrics", "agent")];
    if node.prometheus_port != 0 {
        let filters = compressors(context);
        let manager = manager("stats", &metrics, filters);
        listeners.push(plain(context, node.prometheus_port, &manager));
    }
    if node.secure_metrics_port != 0 {
        let manager = manager("secure_stats", &metrics, Vec::new());
        listeners.push(secure(context, node.secure_metrics_port, &manager));
    }
    if node.secure_merged_metrics_port != 0 {
        let manager = manager("secure_merged_stats", &merged, Vec::new());
        listeners.push(secure(context, node.secure_merged_metrics_port, &manager));
    }
    if node.readiness_port != 0 {
        let manager = manager("agent", &[("/healthz/ready", "agent")], Vec::new());
        listeners.push(plain(context, node.readiness_port, &manager));
    }
    listeners
}

fn listener(context: &Context<'_>, port: u16, chain: Value) -> Value {
    let socket = |address: &str| json!({"socket_address": {"protocol": "TCP", "address": address, "port_value": port}});
    let mut listener = json!({
        "name": format!("{}_{port}", context.wildcard),
        "address": socket(context.wildcard),
        "ignore_global_conn_limit": true,
        "bypass_overload_manager": true,
        "filter_chains": [chain],
    });
    if let Some(second) = context.second_wildcard {
        listener["additional_addresses"] = json!([{"address": socket(second)}]);
    }
    listener
}

fn plain(context: &Context<'_>, port: u16, manager: &Value) -> Value {
    listener(context, port, json!({"filters": [manager]}))
}

fn secure(context: &Context<'_>, port: u16, manager: &Value) -> Value {
    let chain = json!({
        "filter_chain_match": {"transport_protocol": "tls"},
        "transport_socket": tls_context::mutual_downstream(),
        "filters": [manager],
    });
    let mut listener = listener(context, port, chain);
    const INSPECTOR: &str = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
    listener["listener_filters"] = json!([{
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": {"@type": ferromesh_proto::type_url::of(INSPECTOR)},
    }]);
    listener
}

fn manager(prefix: &str, routes: &[(&str, &str)], mut filters: Vec<Value>) -> Value {
    let routes: Vec<_> = routes
        .iter()
        .map(|(path, cluster)| json!({"match": {"prefix": path}, "route": {"cluster": cluster}}))
        .collect();
    filters.push(
        json!({"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        }}),
    );
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": MANAGER,
            "codec_type": "AUTO",
            "stat_prefix": prefix,
            "route_config": {"virtual_hosts": [
                {"name": "backend", "domains": ["*"], "routes": routes},
            ]},
            "http_filters": filters,
        },
    })
}

/// Scrapes are large and repetitive: compressed unless switched off.
fn compressors(context: &Context<'_>) -> Vec<Value> {
    let config = &context.settings.node.proxy_config;
    if config.flag("/statsCompression") == Some(false) {
        return Vec::new();
    }
    let compressor = |(name, message): (&str, &str)| {
        let library = format!("envoy.extensions.compression.{name}.compressor.v3.{message}");
        json!({
            "name": format!("envoy.filters.http.compressor.{name}"),
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.\
                          Compressor",
                "compressor_library": {
                    "name": format!("stats_{name}"),
                    "typed_config": {"@type": ferromesh_proto::type_url::of(&library)},
                },
                "response_direction_config": {"common_config": {"content_type": [
                    "text/plain",
                    "application/vnd.google.protobuf",
                    "application/openmetrics-text",
                    "application/openmetrics-protobuf",
                ]}},
            },
        })
    };
    [("brotli", "Brotli"), ("zstd", "Zstd"), ("gzip", "Gzip")]
        .map(compressor)
        .to_vec()
}
