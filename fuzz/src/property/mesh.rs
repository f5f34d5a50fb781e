//! The base mesh, and everything that its proxies get when objects are added to it.

use std::sync::{Arc, OnceLock};

use ferromesh_config::{Object, parse_documents};
use ferromesh_model::{
    Dialect, MeshSettings, ObjectChange, Proxy, ProxyView, Snapshot, SnapshotBuilder,
};
use ferromesh_proto::envoy::config::cluster::v3::Cluster;
use ferromesh_proto::envoy::config::listener::v3::{Filter, Listener, filter};
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use ferromesh_proto::{any, type_url};
use ferromesh_translate::{self as translate, Resource};
use ferromesh_types::{ClusterId, Labels, Namespace, Str};
use hcm::http_connection_manager::RouteSpecifier;
use prost::Message;

/// The objects of the base mesh.
fn base() -> &'static [Arc<Object>] {
    static BASE: OnceLock<Vec<Arc<Object>>> = OnceLock::new();
    BASE.get_or_init(|| {
        parse_documents(include_str!("mesh.yaml"), "mesh.yaml")
            .into_iter()
            .map(|parsed| Arc::new(parsed.expect("the base mesh is valid")))
            .collect()
    })
}

/// The mesh with these objects on top.
pub(super) fn snapshot(added: &[Arc<Object>]) -> Arc<Snapshot> {
    let mut builder = SnapshotBuilder::new(MeshSettings::default());
    let changes: Vec<ObjectChange<'_>> = base()
        .iter()
        .chain(added)
        .map(|object| ObjectChange {
            old: None,
            new: Some(object),
        })
        .collect();
    builder.apply(&changes);
    Arc::clone(builder.snapshot())
}

/// A proxy: id, account and labels.
type Looked = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The proxies that are looked at.
pub(super) const PROXIES: [Looked; 3] = [
    (
        "sidecar~10.1.0.1~web-1.shop~shop.svc.cluster.local",
        "web",
        &[("app", "web"), ("version", "v1")],
    ),
    (
        "sidecar~10.1.0.3~db-1.shop~shop.svc.cluster.local",
        "db",
        &[("app", "db")],
    ),
    (
        "router~10.1.0.9~gateway-1.edge~edge.svc.cluster.local",
        "gateway",
        &[("istio", "gateway")],
    ),
];

/// One of [`PROXIES`], speaking that dialect.
pub(super) fn proxy(number: usize, dialect: Dialect) -> Proxy {
    let (id, account, labels) = PROXIES[number];
    let mut proxy = Proxy::from_id(id).expect("a valid node id");
    proxy.labels = labels.iter().copied().collect::<Labels>();
    proxy.namespace = Namespace::from(if account == "gateway" { "edge" } else { "shop" });
    proxy.cluster = ClusterId::from("Kubernetes");
    proxy.service_account = account.into();
    proxy.dialect = dialect;
    proxy
}

/// What a proxy gets, by type, in the order in which it is sent.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) clusters: Vec<Resource>,
    pub(super) endpoints: Vec<Resource>,
    pub(super) listeners: Vec<Resource>,
    pub(super) routes: Vec<Resource>,
}

impl State {
    /// With the types.
    pub(super) fn lists(&self) -> [(&'static str, &[Resource]); 4] {
        [
            (type_url::CLUSTER, &self.clusters),
            (type_url::ENDPOINT, &self.endpoints),
            (type_url::LISTENER, &self.listeners),
            (type_url::ROUTE, &self.routes),
        ]
    }
}

/// Asks for everything as the proxy does: endpoints of the clusters, route tables of the listeners.
pub(super) fn state(snapshot: &Snapshot, view: &ProxyView) -> State {
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
        .filter(|cluster| has_assignment(&cluster.message))
        .map(|cluster| cluster.name.clone())
        .collect();
    let endpoints = translate::endpoints(snapshot, &view.outbound, &asked);
    let mut tables: Vec<Str> = listeners
        .iter()
        .flat_map(|listener| route_names(&listener.message))
        .collect();
    tables.sort();
    tables.dedup();
    let mut routes = Vec::new();
    if let Some(view) = &view.route {
        routes.extend(translate::sidecar_routes(snapshot, view, &tables));
    }
    if let Some(view) = &view.gateway {
        routes.extend(translate::gateway_routes(snapshot, view, &tables));
    }
    State {
        clusters,
        endpoints,
        listeners,
        routes,
    }
}

fn has_assignment(cluster: &[u8]) -> bool {
    let cluster = Cluster::decode(cluster).expect("translate encodes clusters");
    cluster.eds_cluster_config.is_some()
}

fn route_names(listener: &[u8]) -> Vec<Str> {
    let listener = Listener::decode(listener).expect("translate encodes listeners");
    let chains = listener
        .filter_chains
        .iter()
        .chain(&listener.default_filter_chain);
    let filters = chains.flat_map(|chain| &chain.filters);
    filters.filter_map(route_name).collect()
}

fn route_name(filter: &Filter) -> Option<Str> {
    let Some(filter::ConfigType::TypedConfig(config)) = &filter.config_type else {
        return None;
    };
    let manager = any::unpack::<hcm::HttpConnectionManager>(config).ok()?;
    match manager.route_specifier? {
        RouteSpecifier::Rds(rds) => Some(rds.route_config_name.into()),
        _ => None,
    }
}
