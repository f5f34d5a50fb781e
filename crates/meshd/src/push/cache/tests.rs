//! What is shared between proxies, and what a change makes again.

use super::*;
use ferromesh_config::{Object, parse_documents};
use ferromesh_model::{MeshSettings, ObjectChange, SnapshotBuilder};
use ferromesh_xds::NameInterner;

/// Services `a` and `b` in namespace `shop`, each with two endpoints.
fn services(weight_of_b: u32) -> String {
    let service = |name: &str, net: u8, weight: u32| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n\
             metadata: {{name: {name}, namespace: shop}}\nspec:\n  \
             hosts: [{name}.shop.svc.cluster.local]\n  location: MESH_INTERNAL\n  \
             resolution: STATIC\n  ports: [{{number: 80, name: http, protocol: HTTP}}]\n  \
             endpoints:\n  - {{address: 10.{net}.0.1, weight: {weight}}}\n  \
             - {{address: 10.{net}.0.2}}\n---\n"
        )
    };
    service("a", 1, 1) + &service("b", 2, weight_of_b)
}

fn route(header: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: a, namespace: shop}}\nspec:\n  hosts: [a.shop.svc.cluster.local]\n  \
         http:\n  - match: [{{headers: {{x-tier: {{exact: {header}}}}}}}]\n    \
         route: [{{destination: {{host: b.shop.svc.cluster.local}}}}]\n"
    )
}

struct Mesh {
    builder: SnapshotBuilder,
    cache: Cache,
    objects: HashMap<String, Arc<Object>>,
    names: NameInterner,
}

impl Mesh {
    fn new(text: &str) -> Self {
        let builder = SnapshotBuilder::new(MeshSettings::default());
        let cache = Cache::new(Arc::clone(builder.snapshot()));
        let mut mesh = Self {
            builder,
            cache,
            objects: HashMap::new(),
            names: NameInterner::default(),
        };
        mesh.apply(text);
        mesh
    }

    fn apply(&mut self, text: &str) -> Affected {
        let new: Vec<Arc<Object>> = parse_documents(text, "mesh.yaml")
            .into_iter()
            .map(|parsed| Arc::new(parsed.expect("valid")))
            .collect();
        let old: Vec<_> = new
            .iter()
            .map(|object| {
                self.objects
                    .insert(object.key.to_string(), Arc::clone(object))
            })
            .collect();
        let changes: Vec<ObjectChange<'_>> = old
            .iter()
            .zip(&new)
            .map(|(old, new)| ObjectChange {
                old: old.as_ref(),
                new: Some(new),
            })
            .collect();
        let affected = self.builder.apply(&changes);
        let snapshot = Arc::clone(self.builder.snapshot());
        self.cache.advance(snapshot, "v".into(), &affected);
        affected
    }

    fn get(&self, kind: &str, proxy: &Proxy, names: &[&str]) -> Arc<ResourceSet> {
        let view = self.cache.current().snapshot.view_of(proxy);
        let names = self.names.intern(names);
        self.cache.resources(kind, proxy, &view, &names)
    }
}

fn proxy(address: &str) -> Proxy {
    Proxy::from_id(&format!("sidecar~{address}~w.shop~shop.svc.cluster.local")).expect("an id")
}

const A: &str = "outbound|80||a.shop.svc.cluster.local";
const B: &str = "outbound|80||b.shop.svc.cluster.local";

#[test]
fn proxies_with_equal_views_get_the_very_same_sets() {
    let mesh = Mesh::new(&services(1));
    let (one, other) = (proxy("10.9.0.1"), proxy("10.9.0.2"));
    for kind in [type_url::CLUSTER, type_url::LISTENER, type_url::NAME_TABLE] {
        let (a, b) = (mesh.get(kind, &one, &[]), mesh.get(kind, &other, &[]));
        assert!(!a.is_empty() && Arc::ptr_eq(&a, &b), "{kind}");
    }
    let names = mesh.names.intern(&[A, B]);
    let first = mesh.get(type_url::ENDPOINT, &one, &[A, B]);
    assert!(Arc::ptr_eq(
        &first,
        &mesh.get(type_url::ENDPOINT, &other, &[B, A])
    ));
    assert_eq!(first.len(), names.len());
}

#[test]
fn a_route_edit_leaves_clusters_and_endpoints_as_they_are() {
    let mut mesh = Mesh::new(&(services(1) + &route("gold")));
    let proxy = proxy("10.9.0.1");
    let names = mesh.names.intern(&["80"]);
    let clusters = mesh.get(type_url::CLUSTER, &proxy, &[]);
    let routes = mesh.get(type_url::ROUTE, &proxy, &["80"]);
    let affected = mesh.apply(&route("silver"));
    assert!(affected.clusters.is_none() && !affected.routes.is_none());
    assert!(Arc::ptr_eq(
        &clusters,
        &mesh.get(type_url::CLUSTER, &proxy, &[])
    ));
    let after = mesh.get(type_url::ROUTE, &proxy, &["80"]);
    assert_eq!(routes.difference(&after).changed.len(), names.len());
}

#[test]
fn an_endpoint_edit_makes_one_assignment_again() {
    let mut mesh = Mesh::new(&services(1));
    let proxy = proxy("10.9.0.1");
    let _subscribed = mesh.names.intern(&[A, B]);
    let clusters = mesh.get(type_url::CLUSTER, &proxy, &[]);
    let before = mesh.get(type_url::ENDPOINT, &proxy, &[A, B]);
    let affected = mesh.apply(&services(7));
    assert!(affected.is_endpoints_only(), "{affected:?}");
    let after = mesh.get(type_url::ENDPOINT, &proxy, &[A, B]);
    let difference = before.difference(&after);
    let changed: Vec<_> = difference.changed.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(changed, [B]);
    let same = |set: &ResourceSet| Arc::clone(set.find(A).expect("there"));
    assert!(Arc::ptr_eq(&same(&before), &same(&after)));
    assert!(Arc::ptr_eq(
        &clusters,
        &mesh.get(type_url::CLUSTER, &proxy, &[])
    ));
}

#[test]
fn a_new_host_is_added_to_the_clusters_that_are_there() {
    let mut mesh = Mesh::new(&services(1));
    let proxy = proxy("10.9.0.1");
    let before = mesh.get(type_url::CLUSTER, &proxy, &[]);
    mesh.apply(
        &services(1)
            .replace("a.shop", "c.shop")
            .replace("name: a,", "name: c,"),
    );
    let after = mesh.get(type_url::CLUSTER, &proxy, &[]);
    let difference = before.difference(&after);
    let changed: Vec<_> = difference.changed.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(changed, ["outbound|80||c.shop.svc.cluster.local"]);
    assert!(difference.removed.is_empty());
    let whole = Mesh::new(
        &services(1)
            .replace("a.shop", "c.shop")
            .replace("name: a,", "name: c,"),
    );
    let other = whole.get(type_url::CLUSTER, &proxy, &[]);
    let made_alone = after
        .find("outbound|80||c.shop.svc.cluster.local")
        .expect("there");
    let made_with_all = other
        .find("outbound|80||c.shop.svc.cluster.local")
        .expect("there");
    assert_eq!(made_alone.version, made_with_all.version);
}
