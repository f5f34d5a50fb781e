//! The bootstrap of a stock Envoy, the same that Istio's agent writes.
//!
//! In: what the node is and the ports and paths of this agent. Out: the JSON document. Each
//! sub-module makes one part of it; nothing here touches files.

mod clusters;
mod connections;
mod listeners;
mod runtime;
mod stats;
mod tls_context;
mod tracing;

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::node::{Node, NodeSettings};

/// Limit of the text format's line, as Envoy's own default plus the thread.
const LOG_FORMAT: &str = "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t";

/// What the document is made from.
#[derive(Clone, Debug)]
pub struct BootstrapSettings {
    /// The node, with the proxy configuration in it.
    pub node: NodeSettings,
    /// The agent's socket for discovery.
    pub xds_socket: PathBuf,
    /// Folder for files that the document refers to.
    pub files: PathBuf,
    /// Incremental discovery.
    pub delta: bool,
    /// Write log lines as JSON.
    pub log_as_json: bool,
    /// Add what is needed to exit once no connection is left.
    pub exit_on_zero_connections: bool,
}

/// The document and the files that must lie beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// Envoy's configuration.
    pub document: Value,
    /// Path and content; secret, so readable for the owner only.
    pub files: Vec<(PathBuf, String)>,
}

/// What every part needs to know.
pub(crate) struct Context<'a> {
    settings: &'a BootstrapSettings,
    node: Node,
    loopback: &'static str,
    wildcard: &'static str,
    /// The other family's wildcard in a pod with both.
    second_wildcard: Option<&'static str>,
    dns_family: &'static str,
    admin_port: u16,
    status_port: u16,
}

impl<'a> Context<'a> {
    fn new(settings: &'a BootstrapSettings) -> Self {
        let ips = &settings.node.instance_ips;
        let v4 = ips.is_empty() || ips.iter().any(std::net::IpAddr::is_ipv4);
        let v6 = ips.iter().any(std::net::IpAddr::is_ipv6);
        let config = &settings.node.proxy_config;
        Self {
            settings,
            node: Node::new(&settings.node),
            loopback: if v4 { "127.0.0.1" } else { "::1" },
            wildcard: if v4 { "0.0.0.0" } else { "::" },
            second_wildcard: (v4 && v6).then_some("::"),
            dns_family: match (v4, v6) {
                (true, true) => "ALL",
                (false, _) => "V6_ONLY",
                (true, false) => "V4_ONLY",
            },
            admin_port: config.port("/proxyAdminPort", 15000),
            status_port: config.port("/statusPort", 15020),
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.node.metadata.get(key).and_then(Value::as_str) == Some("true")
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.node.metadata.get("ANNOTATIONS")?.get(key)?.as_str()
    }
}

/// Makes the document.
pub fn generate(settings: &BootstrapSettings) -> Bootstrap {
    let context = Context::new(settings);
    let config = &settings.node.proxy_config;
    let mut files = Vec::new();
    let mut document = json!({
        "application_log_config": {"log_format": log_format(settings)},
        "node": context.node.to_json(),
        "layered_runtime": runtime::layers(config),
        "bootstrap_extensions": extensions(&context),
        "stats_config": stats::config(&context),
        "admin": admin(&context),
        "dynamic_resources": dynamic_resources(settings),
        "static_resources": {
            "clusters": clusters::all(&context),
            "listeners": listeners::all(&context),
        },
        "overload_manager": connections::overload_manager(&context),
        "cluster_manager": {
            "outlier_detection": {"event_log_path": settings.node.outlier_log_path},
            "enable_deferred_cluster_creation": true,
        },
        "deferred_stat_options": {"enable_deferred_creation_stats": true},
    });
    let parts = document.as_object_mut().expect("just written as an object");
    stats::intervals(&context, parts);
    add_list(parts, "stats_sinks", stats::sinks(config));
    if let Some(tracer) = tracing::tracer(&context, &mut files) {
        parts.insert("tracing".to_owned(), json!({"http": tracer}));
    }
    Bootstrap { document, files }
}

fn add_list(parts: &mut Map<String, Value>, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        parts.insert(name.to_owned(), Value::Array(items));
    }
}

fn log_format(settings: &BootstrapSettings) -> Value {
    if settings.log_as_json {
        return json!({"json_format": {
            "time": "%Y-%m-%dT%T.%fZ", "level": "%l", "scope": "envoy %n", "caller": "%g:%#",
            "msg": "%j", "thread": "%t",
        }});
    }
    json!({"text_format": LOG_FORMAT})
}

fn extensions(context: &Context<'_>) -> Value {
    let typed = |name: &str, of: &str, value: Value| {
        json!({"name": name, "typed_config": {
            "@type": ferromesh_proto::type_url::UDPA_TYPED_STRUCT,
            "type_url": ferromesh_proto::type_url::of(of),
            "value": value,
        }})
    };
    let mut extensions = Vec::new();
    if context.flag("METADATA_DISCOVERY") {
        extensions.push(typed(
            "metadata_discovery",
            "istio.workload.BootstrapExtension",
            json!({"config_source": {"ads": {}}}),
        ));
    }
    extensions.push(typed(
        "envoy.bootstrap.internal_listener",
        "envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
        json!({"buffer_size_kb": 64}),
    ));
    Value::Array(extensions)
}

fn admin(context: &Context<'_>) -> Value {
    json!({
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/null",
        }}],
        "profile_path": "/var/lib/istio/data/envoy.prof",
        "address": {"socket_address": {
            "address": context.loopback, "port_value": context.admin_port,
        }},
    })
}

fn dynamic_resources(settings: &BootstrapSettings) -> Value {
    let over_ads = json!({
        "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3",
    });
    json!({
        "lds_config": over_ads,
        "cds_config": over_ads,
        "ads_config": {
            "api_type": if settings.delta { "DELTA_GRPC" } else { "GRPC" },
            "set_node_on_first_message_only": true,
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
        },
    })
}
