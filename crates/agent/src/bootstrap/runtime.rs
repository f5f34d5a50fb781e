//! Runtime layers: fixed guards that the mesh's configuration relies on, and the user's values.

use serde_json::{Map, Value, json};

use crate::settings::ProxyConfig;

pub(super) fn layers(config: &ProxyConfig) -> Value {
    json!({"layers": [
        {"name": "global config", "static_layer": static_layer(config)},
        {"name": "admin", "admin_layer": {}},
    ]})
}

fn static_layer(config: &ProxyConfig) -> Map<String, Value> {
    let fixed = json!({
        // The capture listener still hands connections over by their original destination.
        "envoy.deprecated_features:envoy.config.listener.v3.Listener.hidden_envoy_deprecated_use_original_dst": true,
        "envoy.reloadable_features.http_reject_path_with_fragment": false,
        "envoy.reloadable_features.fixed_heap_use_allocated": true,
        "envoy.reloadable_features.coalesce_lb_rebuilds_on_batch_update": false,
        "re2.max_program_size.error_level": "32768",
    });
    let mut layer = fixed.as_object().cloned().unwrap_or_default();
    for (key, value) in config.map("/runtimeValues") {
        match value {
            "" => {
                layer.remove(key);
            }
            "true" | "false" => {
                layer.insert(key.to_owned(), json!(value == "true"));
            }
            other => {
                layer.insert(key.to_owned(), json!(other));
            }
        }
    }
    layer
}
