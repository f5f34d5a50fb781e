//! A mesh from YAML texts, and everything that one proxy of it gets, as JSON.
//!
//! The proxy is followed as Envoy goes: clusters, the endpoints that they ask for, listeners, the
//! route tables that these name.
#![allow(dead_code, reason = "each test file uses another part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use ferromesh_config::{Object, parse_documents};
use ferromesh_model::{
    Dialect, MeshSettings, ObjectChange, Proxy, ProxyView, Snapshot, SnapshotBuilder,
};
use ferromesh_translate::Resource;
use ferromesh_types::{ClusterId, Labels, Namespace, Str};
use serde_json::{Value, json};

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENER: &str = "envoy.config.listener.v3.Listener";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const NAMES: &str = "istio.networking.nds.v1.NameTable";

/// The objects of a YAML text; a test with a broken object is a broken test.
pub(crate) fn objects(text: &str, file: &str) -> Vec<Arc<Object>> {
    parse_documents(text, file)
        .into_iter()
        .map(|parsed| Arc::new(parsed.unwrap_or_else(|problem| panic!("{problem}"))))
        .collect()
}

/// The mesh of these objects.
pub(crate) fn snapshot(objects: &[Arc<Object>]) -> Arc<Snapshot> {
    let mut builder = SnapshotBuilder::new(MeshSettings::default());
    let changes: Vec<ObjectChange<'_>> = objects
        .iter()
        .map(|object| ObjectChange {
            old: None,
            new: Some(object),
        })
        .collect();
    builder.apply(&changes);
    builder.snapshot().clone()
}

/// A proxy as its node describes it.
pub(crate) fn proxy(node: &Value) -> Proxy {
    let id = node["id"].as_str().expect("a node has an id");
    let metadata = &node["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    let mut proxy = Proxy::from_id(id).expect("a valid node id");
    if let Some(labels) = metadata["LABELS"].as_object() {
        proxy.labels = labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
            .collect::<Labels>();
    }
    if !text("NAMESPACE").is_empty() {
        proxy.namespace = Namespace::from(text("NAMESPACE"));
    }
    proxy.cluster = ClusterId::from(text("CLUSTER_ID"));
    proxy.service_account = text("SERVICE_ACCOUNT").into();
    proxy.workload_name = text("WORKLOAD_NAME").into();
    proxy.dialect = Dialect::StockEnvoy;
    proxy.settings.unprivileged = text("UNPRIVILEGED_POD") == "true";
    proxy.settings.transparent = text("INTERCEPTION_MODE") == "TPROXY";
    proxy.settings.dns_capture = text("DNS_CAPTURE") == "true";
    proxy
}

/// Everything that the proxy gets, encoded.
pub(crate) struct Capture {
    pub(crate) clusters: Vec<Resource>,
    pub(crate) endpoints: Vec<Resource>,
    pub(crate) listeners: Vec<Resource>,
    pub(crate) routes: Vec<Resource>,
    pub(crate) names: Vec<Resource>,
}

/// Asks for everything as the proxy does.
pub(crate) fn capture(snapshot: &Snapshot, view: &ProxyView) -> Capture {
    use ferromesh_translate as translate;
    let mut clusters = translate::clusters(snapshot, &view.outbound);
    let mut listeners = Vec::new();
    if let Some(inbound) = &view.inbound {
        clusters.extend(translate::inbound_clusters(snapshot, inbound));
        listeners.extend(translate::inbound_listeners(snapshot, inbound));
    }
    if let Some(listener) = &view.listener {
        listeners.extend(translate::outbound_listeners(snapshot, listener));
    }
    if let Some(gateway) = &view.gateway {
        listeners.extend(translate::gateway_listeners(snapshot, gateway));
    }
    let asked: Vec<Str> = clusters
        .iter()
        .filter(|cluster| !json(cluster, CLUSTER)["edsClusterConfig"].is_null())
        .map(|cluster| cluster.name.clone())
        .collect();
    let endpoints = translate::endpoints(snapshot, &view.outbound, &asked);
    let mut tables: Vec<Str> = listeners
        .iter()
        .flat_map(|listener| route_names(&json(listener, LISTENER)))
        .map(Str::from)
        .collect();
    tables.sort();
    tables.dedup();
    let mut routes = Vec::new();
    let mut names = Vec::new();
    if let Some(view) = &view.route {
        routes.extend(translate::sidecar_routes(snapshot, view, &tables));
        names.extend(translate::name_table(snapshot, &view.outbound));
    }
    if let Some(view) = &view.gateway {
        routes.extend(translate::gateway_routes(snapshot, view, &tables));
    }
    Capture {
        clusters,
        endpoints,
        listeners,
        routes,
        names,
    }
}

impl Capture {
    /// As JSON in the form of the recordings: lists sorted by name, names as a map.
    pub(crate) fn json(&self) -> Value {
        let list = |resources: &[Resource], kind: &str| -> Vec<Value> {
            let by_name: BTreeMap<&str, Value> = resources
                .iter()
                .map(|resource| (resource.name.as_str(), json(resource, kind)))
                .collect();
            assert_eq!(by_name.len(), resources.len(), "two resources of one name");
            by_name.into_values().collect()
        };
        let mut all = json!({
            "clusters": list(&self.clusters, CLUSTER),
            "endpoints": list(&self.endpoints, ENDPOINTS),
            "listeners": list(&self.listeners, LISTENER),
            "routes": list(&self.routes, ROUTES),
        });
        if let Some(table) = self.names.first() {
            all["names"] = json(table, NAMES)["table"].clone();
        }
        all
    }
}

fn json(resource: &Resource, kind: &str) -> Value {
    ferromesh_proto::json::encoded_to_json(
        kind,
        &resource.message,
        ferromesh_proto::json::FieldNames::Camel,
    )
    .unwrap_or_else(|error| panic!("{}: {error}", resource.name))
}

/// The route tables that a listener names.
fn route_names(listener: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let chains = listener["filterChains"].as_array().into_iter().flatten();
    for chain in chains.chain(std::iter::once(&listener["defaultFilterChain"])) {
        for filter in chain["filters"].as_array().into_iter().flatten() {
            if let Some(name) = filter["typedConfig"]["rds"]["routeConfigName"].as_str() {
                found.push(name.to_owned());
            }
        }
    }
    found
}
