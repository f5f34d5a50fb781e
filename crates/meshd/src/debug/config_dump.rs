//! What was sent to one proxy, in the form of Envoy's own dump.

use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::{json, type_url};
use ferromesh_xds::EncodedResource;
use ferromesh_xds::server::Watch;
use prost::Message as _;
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::push::connection::Connection;

/// Sections of the dump: the type, the dump's own type, its list, the key of an entry.
const SECTIONS: [(&str, &str, &str, &str); 6] = [
    (
        type_url::CLUSTER,
        "ClustersConfigDump",
        "dynamicActiveClusters",
        "cluster",
    ),
    (
        type_url::LISTENER,
        "ListenersConfigDump",
        "dynamicListeners",
        "listener",
    ),
    (
        type_url::ROUTE,
        "RoutesConfigDump",
        "dynamicRouteConfigs",
        "routeConfig",
    ),
    (
        type_url::ENDPOINT,
        "EndpointsConfigDump",
        "dynamicEndpointConfigs",
        "endpointConfig",
    ),
    (
        type_url::SECRET,
        "SecretsConfigDump",
        "dynamicActiveSecrets",
        "secret",
    ),
    (
        type_url::EXTENSION_CONFIG,
        "EcdsConfigDump",
        "ecdsFilters",
        "ecdsFilter",
    ),
];

/// Everything that the proxy was sent. Private keys are left out.
pub(super) fn dump(connection: &Connection) -> Value {
    let stream = connection.stream();
    let sections = SECTIONS.iter().filter_map(|(kind, dump, list, key)| {
        let watch = stream.watch(kind)?;
        let entries: Vec<Value> = watch.sent().iter().map(|r| entry(watch, r, key)).collect();
        Some(json!({
            "@type": format!("type.googleapis.com/envoy.admin.v3.{dump}"),
            *list: entries,
        }))
    });
    json!({"configs": sections.collect::<Vec<_>>()})
}

fn entry(watch: &Watch, resource: &EncodedResource, key: &str) -> Value {
    let content = match watch.type_url().as_str() {
        type_url::SECRET => json!({"name": resource.name.as_str(), "redacted": true}),
        _ => unfolded(resource),
    };
    let version = resource.version.to_string();
    match key {
        "listener" => json!({
            "name": resource.name.as_str(),
            "activeState": {"versionInfo": version, "listener": content},
        }),
        "secret" => {
            json!({"name": resource.name.as_str(), "versionInfo": version, "secret": content})
        }
        _ => json!({"versionInfo": version, key: content}),
    }
}

fn unfolded(resource: &EncodedResource) -> Value {
    match Any::decode(resource.body.clone()) {
        Ok(any) => json::any_to_json(&any),
        // A reconnecting client says what it holds; nothing was sent of that yet.
        Err(_) => Value::Null,
    }
}

/// The name table of a proxy.
pub(super) fn name_table(plane: &ControlPlane, connection: &Connection) -> Value {
    let resources = plane.cache.resources(
        type_url::NAME_TABLE,
        connection.proxy(),
        &connection.view(),
        &std::sync::Arc::default(),
    );
    resources.iter().next().map_or(Value::Null, |r| unfolded(r))
}
