//! The limit on all connections of clients together.

use serde_json::{Value, json};

use super::Context;

const METADATA_KEY: &str = "ISTIO_META_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS";
const RUNTIME_KEY: &str = "overload.global_downstream_max_connections";

pub(super) fn overload_manager(context: &Context<'_>) -> Value {
    json!({"resource_monitors": [{
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.\
                      downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": limit(context),
        },
    }]})
}

/// The explicit setting wins over the proxy's metadata, that over the older runtime key.
fn limit(context: &Context<'_>) -> u64 {
    let config = &context.settings.node.proxy_config;
    let parse = |text: &str| text.parse().ok();
    let from_map = |map: &str, key: &str| {
        config
            .map(map)
            .find(|(name, _)| *name == key)
            .and_then(|(_, value)| parse(value))
    };
    config
        .number("/connectionSettings/globalDownstreamConnectionLimit")
        .or_else(|| from_map("/proxyMetadata", METADATA_KEY))
        .or_else(|| parse(context.settings.node.environment.get(METADATA_KEY)?))
        .or_else(|| from_map("/runtimeValues", RUNTIME_KEY))
        .unwrap_or(i32::MAX as u64)
}
