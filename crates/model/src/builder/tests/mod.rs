//! The builder on YAML as users write it: what it shares, what it calls affected, what proxies see.

mod incremental;
mod scale;
mod views;

use std::collections::BTreeMap;

use ferromesh_config::parse_documents;
use ferromesh_registry::ServiceKey;
use ferromesh_types::Hostname;

use super::*;
use crate::{Hosts, MtlsMode, Namespaces, OutboundView, Proxy, ProxyView};

/// A builder with the objects that it was given, so that an edit knows what was there before.
struct World {
    builder: SnapshotBuilder,
    objects: BTreeMap<ResourceKey, Arc<Object>>,
}

impl World {
    fn new(yaml: &str) -> Self {
        let mut world = Self {
            builder: SnapshotBuilder::new(MeshSettings::default()),
            objects: BTreeMap::new(),
        };
        world.apply(yaml);
        world
    }

    /// Applies documents, each in place of the object of the same key.
    fn apply(&mut self, yaml: &str) -> Affected {
        let new: Vec<_> = parse_documents(yaml, "test.yaml")
            .into_iter()
            .map(|object| Arc::new(object.expect("a valid object")))
            .collect();
        let old: Vec<_> = new
            .iter()
            .map(|object| self.objects.insert(object.key.clone(), object.clone()))
            .collect();
        let changes: Vec<_> = old
            .iter()
            .zip(&new)
            .map(|(old, new)| ObjectChange {
                old: old.as_ref(),
                new: Some(new),
            })
            .collect();
        self.builder.apply(&changes)
    }

    fn delete(&mut self, key: &ResourceKey) -> Affected {
        let old = self.objects.remove(key).expect("the object is there");
        self.builder.apply(&[ObjectChange {
            old: Some(&old),
            new: None,
        }])
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.builder.snapshot().clone()
    }

    fn view(&self, id: &str, labels: &[(&str, &str)]) -> ProxyView {
        self.snapshot().view_of(&proxy(id, labels))
    }
}

fn proxy(id: &str, labels: &[(&str, &str)]) -> Proxy {
    Proxy {
        labels: labels.iter().copied().collect(),
        ..Proxy::from_id(id).expect("a node id")
    }
}

fn hosts(names: &[&str]) -> Hosts {
    Hosts::Only(names.iter().map(|name| Hostname::from(*name)).collect())
}

fn service(n: usize, namespace: &str, extra: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: svc{n}, namespace: {namespace}}}
spec:
  hosts: [svc{n}.{namespace}.svc.cluster.local]
  addresses: [172.16.0.{n}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]
  endpoints:
  - {{address: 10.0.0.{n}, labels: {{version: v1}}, serviceAccount: default}}
{extra}
---
"
    )
}

fn route(n: usize, namespace: &str, weight: u32) -> String {
    let host = format!("svc{n}.{namespace}.svc.cluster.local");
    format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: svc{n}, namespace: {namespace}}}
spec:
  hosts: [{host}]
  http:
  - route:
    - {{destination: {{host: {host}, subset: v1}}, weight: {weight}}}
    - {{destination: {{host: {host}, subset: v2}}, weight: {}}}
---
",
        100 - weight
    )
}

fn rule(n: usize, namespace: &str, extra: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: svc{n}, namespace: {namespace}}}
spec:
  host: svc{n}.{namespace}.svc.cluster.local
  subsets: [{{name: v1, labels: {{version: v1}}}}]
{extra}
---
"
    )
}

#[test]
fn a_route_edit_touches_the_routes_of_its_hosts_and_shares_the_rest() {
    let yaml: String = (1..20)
        .map(|n| service(n, "a", "") + &route(n, "a", 90))
        .collect();
    let mut world = World::new(&yaml);
    let before = world.snapshot();
    let affected = world.apply(&route(7, "a", 50));
    let expected = Affected {
        namespaces: Namespaces::All,
        routes: hosts(&["svc7.a.svc.cluster.local"]),
        ..Affected::default()
    };
    assert_eq!(affected, expected);
    let after = world.snapshot();
    assert_eq!(after.generation(), before.generation().next());
    assert!(Arc::ptr_eq(
        &before.indices.services,
        &after.indices.services
    ));
    assert!(Arc::ptr_eq(&before.endpoints, &after.endpoints));
    assert!(Arc::ptr_eq(
        &before.indices.distinction,
        &after.indices.distinction
    ));
}

#[test]
fn an_endpoint_edit_replaces_the_endpoints_of_one_service() {
    let mut world = World::new(&(1..20).map(|n| service(n, "a", "")).collect::<String>());
    let before = world.snapshot();
    let scope = before.scope_of(&crate::ScopeKey::default());
    let affected = world.apply(&service(
        3,
        "a",
        "  - {address: 10.0.9.9, serviceAccount: default}",
    ));
    assert!(affected.is_endpoints_only());
    assert_eq!(affected.endpoints, hosts(&["svc3.a.svc.cluster.local"]));
    assert_eq!(
        affected.workloads,
        ["10.0.9.9".parse().expect("an address")].into()
    );
    let after = world.snapshot();
    assert!(Arc::ptr_eq(
        &before.indices.services,
        &after.indices.services
    ));
    assert!(after.endpoints.unshared(&before.endpoints) <= 2);
    assert!(Arc::ptr_eq(
        &scope,
        &after.scope_of(&crate::ScopeKey::default())
    ));
}

#[test]
fn a_new_identity_behind_a_service_touches_its_clusters() {
    let mut world = World::new(&service(1, "a", ""));
    let affected = world.apply(&service(
        1,
        "a",
        "  - {address: 10.0.9.9, serviceAccount: other}",
    ));
    assert_eq!(affected.clusters, hosts(&["svc1.a.svc.cluster.local"]));
    assert!(affected.routes.is_none() && affected.listeners.is_none());
}

#[test]
fn applying_the_same_object_again_changes_nothing_of_services() {
    let mut world = World::new(&service(1, "a", ""));
    let before = world.snapshot();
    let affected = world.apply(&service(1, "a", ""));
    assert!(affected.is_none());
    assert_eq!(world.snapshot().generation(), before.generation());
}

#[test]
fn objects_for_one_namespace_concern_its_proxies_only() {
    let mut world = World::new(&service(1, "a", ""));
    let affected = world.apply(&route(1, "a", 90).replace("spec:", "spec:\n  exportTo: ['.']"));
    assert!(affected.namespaces.contains(&"a".into()));
    assert!(!affected.namespaces.contains(&"b".into()));
    assert!(affected.views);
}

fn peer_authentication(namespace: &str, name: &str, body: &str) -> String {
    format!(
        "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec: {body}
---
"
    )
}

#[test]
fn mutual_tls_modes_merge_from_mesh_over_namespace_to_workload() {
    let mut world = World::new(&peer_authentication(
        "istio-system",
        "mesh",
        "{mtls: {mode: STRICT}}",
    ));
    let mode = |world: &World, namespace: &str| world.snapshot().namespace_mtls(&namespace.into());
    assert_eq!(mode(&world, "a"), MtlsMode::Strict);
    world.apply(&peer_authentication("a", "ns", "{mtls: {mode: DISABLE}}"));
    let affected = world.apply(&peer_authentication(
        "a",
        "web",
        "{selector: {matchLabels: {app: web}}, mtls: {mode: UNSET}, portLevelMtls: {8080: {mode: PERMISSIVE}}}",
    ));
    assert!(affected.inbound.contains(&"a".into()) && !affected.inbound.contains(&"b".into()));
    assert_eq!(
        (mode(&world, "a"), mode(&world, "b")),
        (MtlsMode::Disable, MtlsMode::Strict)
    );
    let inbound = |labels| {
        let view = world.view("sidecar~10.0.0.1~w.a~a.svc.cluster.local", labels);
        view.inbound.expect("a sidecar").authentication.clone()
    };
    assert_eq!(
        inbound(&[("app", "web")]).of_port(8080),
        MtlsMode::Permissive
    );
    assert_eq!(inbound(&[("app", "web")]).of_port(9090), MtlsMode::Disable);
    assert_eq!(
        inbound(&[("app", "other")]).of_port(8080),
        MtlsMode::Disable
    );
}

#[test]
fn rules_are_taken_from_the_client_then_the_service_then_the_root_namespace() {
    let about = |namespace: &str, name: &str| {
        rule(1, "a", "").replace(
            "name: svc1, namespace: a",
            &format!("name: {name}, namespace: {namespace}"),
        )
    };
    let mut world = World::new(&service(1, "a", ""));
    world.apply(&about("istio-system", "root"));
    let chosen = |world: &World, namespace: &str| {
        let snapshot = world.snapshot();
        let view = world.view(
            &format!("sidecar~10.9.9.9~w.{namespace}~{namespace}.svc.cluster.local"),
            &[],
        );
        let key = ServiceKey {
            hostname: Hostname::from("svc1.a.svc.cluster.local"),
            namespace: "a".into(),
        };
        let service = snapshot.services().of(&key).expect("the service").clone();
        let rule = snapshot.destination_rule(&view.outbound, &service);
        rule.map(|rule| rule.key.name.to_string())
            .unwrap_or_default()
    };
    assert_eq!(
        (chosen(&world, "a"), chosen(&world, "b")),
        ("root".into(), "root".into())
    );
    world.apply(&about("a", "own"));
    assert_eq!(
        (chosen(&world, "a"), chosen(&world, "b")),
        ("own".into(), "own".into())
    );
    let affected = world.apply(&about("b", "client"));
    assert!(affected.views);
    assert_eq!(
        (chosen(&world, "a"), chosen(&world, "b")),
        ("own".into(), "client".into())
    );
    assert_eq!(chosen(&world, "c"), "own");
}

#[test]
fn rules_of_one_host_are_merged() {
    let second = rule(1, "a", "")
        .replace("name: svc1", "name: svc1-more")
        .replace("v1", "v2");
    let second = second.replace("istio.io/v2", "istio.io/v1");
    let world = World::new(&(service(1, "a", "") + &rule(1, "a", "") + &second));
    let snapshot = world.snapshot();
    let merged = snapshot.destination_rules().iter().next().expect("a rule");
    let subsets: Vec<_> = merged
        .spec
        .subsets
        .iter()
        .map(|subset| subset.name.as_str())
        .collect();
    assert_eq!(subsets, ["v1", "v2"]);
    assert_eq!(merged.sources.len(), 2);
}

#[test]
fn the_mesh_config_is_adopted_live_and_bad_text_leaves_it_in_force() {
    let config = |mesh: &str| {
        format!(
            "
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: |-
    {mesh}
"
        )
    };
    let mut world = World::new(&service(1, "a", ""));
    let affected = world.apply(&config("trustDomain: example.org"));
    assert_eq!(affected.clusters, Hosts::All);
    assert_eq!(world.snapshot().mesh().trust_domain, *"example.org");
    let key = ServiceKey {
        hostname: Hostname::from("svc1.a.svc.cluster.local"),
        namespace: "a".into(),
    };
    let identities = world
        .snapshot()
        .endpoints()
        .of(&key)
        .expect("endpoints")
        .identities
        .clone();
    assert_eq!(identities, ["spiffe://example.org/ns/a/sa/default"]);
    assert!(world.apply(&config("{[broken")).is_none());
    assert_eq!(world.snapshot().mesh().trust_domain, *"example.org");
}

#[test]
fn a_sidecar_narrows_what_its_namespace_sees() {
    let mut world = World::new(&(service(1, "a", "") + &service(2, "b", "") + &route(2, "b", 90)));
    let affected = world.apply(
        "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: a}
spec: {egress: [{hosts: ['./*']}]}
",
    );
    assert!(affected.changes_view_of(&proxy("sidecar~10.0.0.1~w.a~a.svc.cluster.local", &[])));
    let seen = |namespace: &str| {
        let view = world.view(
            &format!("sidecar~10.9.9.9~w.{namespace}~{namespace}.svc.cluster.local"),
            &[],
        );
        let scope = world.snapshot().scope(&view.outbound);
        (scope.services().len(), scope.virtual_services().len())
    };
    assert_eq!((seen("a"), seen("b")), ((1, 0), (2, 1)));
}

#[test]
fn gateways_are_chosen_by_labels_and_their_servers_merged_by_port() {
    let gateway = |name: &str, host: &str| {
        format!(
            "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: a}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [{host}]}}]
---
"
        )
    };
    let mut world =
        World::new(&(gateway("one", "a.example.com") + &gateway("two", "b.example.com")));
    let id = "router~10.0.0.1~gw.istio-system~istio-system.svc.cluster.local";
    let view = world
        .view(id, &[("istio", "ingressgateway")])
        .gateway
        .expect("a gateway");
    assert_eq!(view.gateways.len(), 2);
    let merged = world.snapshot().merged_gateways(&view);
    assert_eq!(merged.servers.len(), 1);
    assert_eq!(merged.servers.values().map(Vec::len).sum::<usize>(), 2);
    assert!(
        world
            .view(id, &[])
            .gateway
            .expect("a gateway")
            .gateways
            .is_empty()
    );
    let bound = route(1, "a", 90).replace("spec:", "spec:\n  gateways: [one]");
    let affected = world.apply(&bound);
    assert!(affected.gateways);
    let routes = world.snapshot().routes_of_gateway(
        &crate::GatewayRef::parse("a/one", &"x".into()),
        &"istio-system".into(),
    );
    assert_eq!(routes.len(), 1);
}

#[test]
fn the_routes_of_a_delegate_take_the_place_of_the_route_that_names_it() {
    let root = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: a}
spec:
  hosts: [svc1.a.svc.cluster.local]
  http:
  - match: [{uri: {prefix: /cart}}]
    timeout: 3s
    delegate: {name: cart, namespace: b}
  - route: [{destination: {host: svc1.a.svc.cluster.local}}]
";
    let delegate = |port: u16| {
        format!(
            "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: cart, namespace: b}}
spec:
  http:
  - match: [{{uri: {{prefix: /cart/v2}}}}]
    route: [{{destination: {{host: cart, port: {{number: {port}}}}}}}]
"
        )
    };
    let host = Hostname::from("svc1.a.svc.cluster.local");
    let mut world = World::new(&(service(1, "a", "") + root));
    let http = |world: &World| {
        let scope = world.snapshot().scope_of(&crate::ScopeKey::default());
        scope
            .virtual_service(&host)
            .expect("the root")
            .declared
            .spec
            .http
            .clone()
    };
    assert_eq!(http(&world).len(), 1);
    let affected = world.apply(&delegate(80));
    assert!(affected.routes.contains(&host));
    let routes = http(&world);
    assert_eq!(routes.len(), 2);
    assert_eq!(
        routes[0].route[0].destination.host.as_str(),
        "cart.b.svc.cluster.local"
    );
    assert_eq!(routes[0].timeout.map(|limit| limit.as_secs()), Some(3));
    world.apply(&delegate(81));
    let port = http(&world)[0].route[0]
        .destination
        .port
        .map(|port| port.number);
    assert_eq!(port, Some(81));
    world.delete(&ResourceKey::new("VirtualService", "b", "cart"));
    assert_eq!(http(&world).len(), 1);
}
