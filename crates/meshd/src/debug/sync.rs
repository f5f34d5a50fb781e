//! How far each proxy is: `/debug/syncz`, `/debug/connections`, `/debug/push_status`.

use ferromesh_proto::type_url;
use ferromesh_xds::server::Watch;
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use crate::control_plane::ControlPlane;
use crate::metrics::short_type;
use crate::push::connection::Connection;

/// The names that Istio's page has for types.
const LONG_NAMES: [(&str, &str); 5] = [
    (type_url::CLUSTER, "cluster"),
    (type_url::LISTENER, "listener"),
    (type_url::ROUTE, "route"),
    (type_url::ENDPOINT, "endpoint"),
    (type_url::EXTENSION_CONFIG, "extensionconfig"),
];

/// Every proxy with what was sent, acknowledged and rejected of each type.
pub(super) fn status(plane: &ControlPlane) -> Value {
    let all = plane.connections.all();
    Value::Array(all.iter().map(|connection| of_proxy(connection)).collect())
}

fn of_proxy(connection: &Connection) -> Value {
    let proxy = connection.proxy();
    let mut object = Map::new();
    let mut put = |key: &str, value: &str| {
        object.insert(key.to_owned(), Value::from(value));
    };
    put("cluster_id", proxy.cluster.as_str());
    put("proxy", &short_id(connection));
    put("proxy_type", kind(connection));
    put("istio_version", &connection.facts.istio_version);
    put("ferromesh_version", &connection.facts.ferromesh_version);
    let stream = connection.stream();
    for (type_url, name) in LONG_NAMES {
        let Some(watch) = stream.watch(type_url) else {
            continue;
        };
        put(&format!("{name}_sent"), watch.nonce_sent());
        put(&format!("{name}_acked"), watch.nonce_acked());
    }
    let types: Vec<Value> = stream.watches().iter().map(of_type).collect();
    object.insert("types".to_owned(), Value::Array(types));
    Value::Object(object)
}

fn of_type(watch: &Watch) -> Value {
    let rejection = watch.rejection();
    let state = match rejection {
        Some(_) => "ERROR",
        None if watch.nonce_sent().is_empty() => "NOT_SENT",
        None if watch.nonce_sent() == watch.nonce_acked() => "SYNCED",
        None => "STALE",
    };
    json!({
        "type": short_type(watch.type_url()),
        "type_url": watch.type_url().as_str(),
        "state": state,
        "sent": watch.nonce_sent(),
        "acked": watch.nonce_acked(),
        "version_sent": watch.version_sent(),
        "version_acked": watch.version_acked(),
        "resources": watch.sent().len(),
        "subscribed": if watch.wildcard() { json!("*") } else { json!(watch.names().len()) },
        "responses": watch.responses(),
        "nacks": watch.rejections(),
        "error": rejection.map(|rejection| rejection.detail.as_str()),
        "error_nonce": rejection.map(|rejection| rejection.nonce.as_str()),
    })
}

/// `name.namespace`, as istioctl shows proxies.
fn short_id(connection: &Connection) -> String {
    let id = &connection.proxy().id;
    id.split('~').nth(2).unwrap_or(id).to_owned()
}

fn kind(connection: &Connection) -> &'static str {
    match connection.proxy().kind {
        ferromesh_model::ProxyType::Sidecar => "sidecar",
        ferromesh_model::ProxyType::Router => "router",
    }
}

/// Who is connected, since when and from where.
pub(super) fn connections(plane: &ControlPlane) -> Value {
    let all = plane.connections.all();
    let clients: Vec<Value> = all
        .iter()
        .map(|connection| {
            json!({
                "connectionId": connection.id.as_str(),
                "proxy": short_id(connection),
                "node": connection.proxy().id.as_str(),
                "address": connection.peer.as_str(),
                "connectedAt": connection.connected.format(&Rfc3339).unwrap_or_default(),
                "dialect": format!("{:?}", connection.proxy().dialect),
                "userAgent": connection.facts.user_agent.as_str(),
            })
        })
        .collect();
    json!({"totalClients": clients.len(), "clients": clients})
}

/// The newest generation, and on how many proxies it is live.
pub(super) fn push_status(plane: &ControlPlane) -> Value {
    let current = plane.cache.current();
    let all = plane.connections.all();
    let (mut live, mut rejected, mut waiting) = (0, 0, 0);
    for connection in &all {
        let stream = connection.stream();
        if stream
            .watches()
            .iter()
            .any(|watch| watch.rejection().is_some())
        {
            rejected += 1;
        } else if stream
            .watches()
            .iter()
            .all(|watch| watch.nonce_sent() == watch.nonce_acked())
        {
            live += 1;
        } else {
            waiting += 1;
        }
    }
    json!({
        "generation": current.snapshot.generation().0,
        "version": current.version.as_str(),
        "proxies": all.len(),
        "synced": live,
        "waiting": waiting,
        "rejected": rejected,
    })
}

/// How much is held.
pub(super) fn cache(plane: &ControlPlane) -> Value {
    let (parts, resources) = plane.cache.sizes();
    json!({"parts": parts, "resources": resources})
}
