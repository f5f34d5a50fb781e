//! The registry on YAML as users write it.

use std::collections::BTreeMap;

use ferromesh_config::parse_documents;
use ferromesh_types::{Hostname, Protocol, ResourceKey};

use super::*;
use crate::{EndpointAddress, Health, Provider, Resolution};

/// A registry with the objects that it was given, so that an edit knows what was there before.
#[derive(Default)]
struct World {
    registry: Registry,
    objects: BTreeMap<ResourceKey, Arc<Object>>,
}

/// An object before and after.
type Edit = (Option<Arc<Object>>, Option<Arc<Object>>);

impl World {
    /// Applies documents, each in place of the object of the same key.
    fn apply(&mut self, yaml: &str) -> RegistryChange {
        let pairs: Vec<_> = parse_documents(yaml, "test.yaml")
            .into_iter()
            .map(|object| Arc::new(object.expect("a valid object")))
            .map(|object| {
                (
                    self.objects.insert(object.key.clone(), object.clone()),
                    Some(object),
                )
            })
            .collect();
        self.commit(&pairs)
    }

    fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> RegistryChange {
        let old = self
            .objects
            .remove(&ResourceKey::new(kind, namespace, name));
        assert!(old.is_some(), "{kind} {namespace}/{name} is not there");
        self.commit(&[(old, None)])
    }

    fn commit(&mut self, pairs: &[Edit]) -> RegistryChange {
        let changes: Vec<_> = pairs
            .iter()
            .map(|(old, new)| ObjectChange {
                old: old.as_ref(),
                new: new.as_ref(),
            })
            .collect();
        self.registry.apply(&changes)
    }

    fn service(&self, host: &str, namespace: &str) -> &Service {
        self.registry
            .services()
            .get(&key(host, namespace))
            .expect("a known service")
    }

    /// `address:port health` of each endpoint.
    fn endpoints(&self, host: &str, namespace: &str) -> Vec<String> {
        let found = self.registry.endpoints().of(&key(host, namespace));
        found
            .iter()
            .flat_map(|all| &all.endpoints)
            .map(|e| format!("{}:{} {:?}", e.address, e.port, e.health))
            .collect()
    }
}

fn key(host: &str, namespace: &str) -> ServiceKey {
    ServiceKey {
        hostname: Hostname::from(host),
        namespace: Namespace::from(namespace),
    }
}

const CATALOG: &str = "catalog.shop.svc.cluster.local";

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: catalog, namespace: shop}
spec:
  clusterIP: 10.96.0.5
  selector: {app: catalog}
  ports:
  - {name: http, port: 80, targetPort: web}
  - {name: tcp-admin, port: 9000}
";

fn pod(name: &str, ip: &str, ready: bool) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: shop
  labels: {{app: catalog, version: v1, security.istio.io/tlsMode: istio}}
spec:
  serviceAccountName: catalog
  nodeName: node-1
  containers:
  - name: app
    image: catalog
    ports: [{{name: web, containerPort: 3000}}]
status:
  phase: Running
  podIP: {ip}
  conditions: [{{type: Ready, status: '{}'}}]
",
        if ready { "True" } else { "False" }
    )
}

#[test]
fn a_service_leads_to_the_pods_that_it_selects() {
    let mut world = World::default();
    world.apply(SERVICE);
    world.apply(&pod("catalog-1", "10.0.0.1", true));
    let service = world.service(CATALOG, "shop");
    assert_eq!(
        (service.provider, service.resolution),
        (Provider::Kubernetes, Resolution::ClientSideLb)
    );
    assert_eq!(
        service.port(80).map(|port| port.protocol),
        Some(Protocol::Http)
    );
    assert_eq!(
        world.endpoints(CATALOG, "shop"),
        ["10.0.0.1:3000 Healthy", "10.0.0.1:9000 Healthy"]
    );
    let endpoints = world
        .registry
        .endpoints()
        .of(&key(CATALOG, "shop"))
        .expect("endpoints");
    assert_eq!(
        endpoints.identities,
        ["spiffe://cluster.local/ns/shop/sa/catalog"]
    );
    assert!(endpoints.all_accept_mtls());
}

#[test]
fn readiness_moves_an_endpoint_and_nothing_else() {
    let mut world = World::default();
    world.apply(SERVICE);
    world.apply(&pod("catalog-1", "10.0.0.1", false));
    let change = world.apply(&pod("catalog-1", "10.0.0.1", true));
    assert_eq!(change.endpoints, [key(CATALOG, "shop")].into());
    assert!(change.services.is_empty() && change.identities.is_empty());
    assert!(change.workloads.is_empty());
    let instances = world
        .registry
        .endpoints()
        .at("10.0.0.1".parse().expect("an address"));
    assert_eq!(instances.len(), 2);
}

#[test]
fn a_pod_that_is_not_ready_is_known_to_its_own_proxy_only() {
    let mut world = World::default();
    world.apply(SERVICE);
    let change = world.apply(&pod("catalog-1", "10.0.0.1", false));
    assert!(
        change
            .workloads
            .contains(&"10.0.0.1".parse().expect("an address"))
    );
    assert_eq!(
        world.endpoints(CATALOG, "shop"),
        ["10.0.0.1:3000 Unhealthy", "10.0.0.1:9000 Unhealthy"]
    );
}

#[test]
fn unready_addresses_are_published_where_the_service_says_so() {
    let mut world = World::default();
    world.apply(&SERVICE.replace("spec:", "spec:\n  publishNotReadyAddresses: true"));
    world.apply(&pod("catalog-1", "10.0.0.1", false));
    assert_eq!(world.endpoints(CATALOG, "shop")[0], "10.0.0.1:3000 Healthy");
}

#[test]
fn deleting_a_pod_or_a_service_takes_the_endpoints_away() {
    let mut world = World::default();
    world.apply(SERVICE);
    world.apply(&pod("catalog-1", "10.0.0.1", true));
    world.apply(&pod("catalog-2", "10.0.0.2", true));
    world.delete("Pod", "shop", "catalog-1");
    assert_eq!(world.endpoints(CATALOG, "shop").len(), 2);
    let change = world.delete("Service", "shop", "catalog");
    assert_eq!(change.services, [key(CATALOG, "shop")].into());
    assert!(world.endpoints(CATALOG, "shop").is_empty());
    assert!(world.registry.services().is_empty());
}

#[test]
fn the_node_says_where_a_pod_is() {
    let node = |zone: &str| {
        format!(
            "
apiVersion: v1
kind: Node
metadata:
  name: node-1
  labels: {{topology.kubernetes.io/region: north, topology.kubernetes.io/zone: {zone}}}
"
        )
    };
    let mut world = World::default();
    world.apply(SERVICE);
    world.apply(&pod("catalog-1", "10.0.0.1", true));
    world.apply(&node("a"));
    let locality = |world: &World| {
        let endpoints = world.registry.endpoints().of(&key(CATALOG, "shop"));
        endpoints.map(|all| all.endpoints[0].locality.to_string())
    };
    assert_eq!(locality(&world).as_deref(), Some("north/a"));
    let change = world.apply(&node("b"));
    assert_eq!(locality(&world).as_deref(), Some("north/b"));
    assert_eq!(change.endpoints, [key(CATALOG, "shop")].into());
}

#[test]
fn headless_services_pass_through_and_external_names_are_aliases() {
    let mut world = World::default();
    world.apply(&SERVICE.replace("10.96.0.5", "None"));
    assert_eq!(
        world.service(CATALOG, "shop").resolution,
        Resolution::Passthrough
    );
    let change = world.apply(
        "
apiVersion: v1
kind: Service
metadata: {name: goods, namespace: shop}
spec: {type: ExternalName, externalName: catalog.shop.svc.cluster.local}
",
    );
    let alias = world.service("goods.shop.svc.cluster.local", "shop");
    assert_eq!(alias.alias_of, Some(Hostname::from(CATALOG)));
    assert_eq!(
        world.service(CATALOG, "shop").aliases[0].hostname,
        alias.hostname
    );
    assert_eq!(change.services.len(), 2);
    world.delete("Service", "shop", "goods");
    assert!(world.service(CATALOG, "shop").aliases.is_empty());
}

#[test]
fn slices_replace_the_pods_of_a_selector() {
    let mut world = World::default();
    world.apply(SERVICE);
    world.apply(&pod("catalog-1", "10.0.0.1", true));
    world.apply(
        "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: catalog-x, namespace: shop, labels: {kubernetes.io/service-name: catalog}}
addressType: IPv4
ports: [{name: http, port: 3000}]
endpoints:
- {addresses: [10.0.0.1], conditions: {ready: true}}
- {addresses: [10.0.0.9], conditions: {ready: false}}
",
    );
    assert_eq!(
        world.endpoints(CATALOG, "shop"),
        ["10.0.0.1:3000 Healthy", "10.0.0.9:3000 Unhealthy"]
    );
    let endpoints = world
        .registry
        .endpoints()
        .of(&key(CATALOG, "shop"))
        .expect("endpoints");
    assert_eq!(endpoints.endpoints[0].service_account, "catalog");
    assert_eq!(endpoints.endpoints[1].service_account, "");
    world.delete("EndpointSlice", "shop", "catalog-x");
    assert_eq!(world.endpoints(CATALOG, "shop").len(), 2);
}

const ENTRY: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: data}
spec:
  hosts: [db.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 5432, name: tcp-db, protocol: TCP, targetPort: 15432}]
  endpoints:
  - {address: 10.1.0.1, labels: {version: v1}, serviceAccount: db, locality: north/a}
  - {address: 10.1.0.2, ports: {tcp-db: 9999}, weight: 3}
";

#[test]
fn a_service_entry_lists_its_endpoints() {
    let mut world = World::default();
    world.apply(ENTRY);
    assert_eq!(
        world.endpoints("db.example.com", "data"),
        ["10.1.0.1:15432 Healthy", "10.1.0.2:9999 Healthy"]
    );
    let endpoints = world
        .registry
        .endpoints()
        .of(&key("db.example.com", "data"));
    let all = &endpoints.expect("endpoints").endpoints;
    assert_eq!((all[0].istio_mtls, all[1].istio_mtls), (true, false));
    assert_eq!(
        (all[0].locality.to_string().as_str(), all[1].weight),
        ("north/a", 3)
    );
    let service = world.service("db.example.com", "data");
    assert!(
        service.auto_addresses[0]
            .to_string()
            .starts_with("240.240.")
    );
}

#[test]
fn a_change_of_an_entrys_endpoints_leaves_the_service_alone() {
    let mut world = World::default();
    world.apply(ENTRY);
    let before = world.registry.endpoints().clone();
    let change = world.apply(&ENTRY.replace("weight: 3", "weight: 4"));
    assert!(change.services.is_empty() && change.workloads.is_empty());
    assert_eq!(change.endpoints, [key("db.example.com", "data")].into());
    assert!(world.registry.endpoints().unshared(&before) <= 1);
}

#[test]
fn an_entry_selects_workload_entries_and_pods() {
    let mut world = World::default();
    world.apply(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: catalog, namespace: shop}
spec:
  hosts: [catalog.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 3000}]
  workloadSelector: {labels: {app: catalog}}
",
    );
    world.apply(&pod("catalog-1", "10.0.0.1", true));
    world.apply(
        "
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop, labels: {app: catalog}}
spec: {address: 10.9.0.1, ports: {http: 8888}, serviceAccount: vm}
",
    );
    assert_eq!(
        world.endpoints("catalog.example.com", "shop"),
        ["10.0.0.1:3000 Healthy", "10.9.0.1:8888 Healthy"]
    );
    world.apply(SERVICE);
    assert!(
        world
            .endpoints(CATALOG, "shop")
            .contains(&"10.9.0.1:9000 Healthy".to_owned())
    );
}

#[test]
fn names_that_dns_resolves_are_their_own_endpoint() {
    let mut world = World::default();
    world.apply(
        &ENTRY
            .split("  endpoints:")
            .next()
            .expect("a head")
            .replace("STATIC", "DNS"),
    );
    let endpoints = world
        .registry
        .endpoints()
        .of(&key("db.example.com", "data"));
    let endpoint = &endpoints.expect("endpoints").endpoints[0];
    assert_eq!(
        endpoint.address,
        EndpointAddress::Hostname("db.example.com".into())
    );
    assert_eq!((endpoint.port, endpoint.health), (15432, Health::Healthy));
}

#[test]
fn two_entries_of_one_host_and_namespace_are_one_service() {
    let mut world = World::default();
    world.apply(ENTRY);
    let second = ENTRY.replace("name: db,", "name: db-admin,").replace(
        "number: 5432, name: tcp-db",
        "number: 8080, name: http-admin",
    );
    world.apply(&second);
    let ports: Vec<_> = world
        .service("db.example.com", "data")
        .ports
        .iter()
        .map(|port| port.port)
        .collect();
    assert_eq!(ports, [5432, 8080]);
    assert_eq!(world.endpoints("db.example.com", "data").len(), 4);
    world.delete("ServiceEntry", "data", "db-admin");
    assert_eq!(world.service("db.example.com", "data").ports.len(), 1);
}

#[test]
fn another_trust_domain_renames_every_identity() {
    let mut world = World::default();
    world.apply(SERVICE);
    world.apply(&pod("catalog-1", "10.0.0.1", true));
    let settings = RegistrySettings {
        trust_domain: "example.org".into(),
        ..RegistrySettings::default()
    };
    let change = world.registry.reconfigure(settings);
    assert_eq!(change.identities, [key(CATALOG, "shop")].into());
    let endpoints = world
        .registry
        .endpoints()
        .of(&key(CATALOG, "shop"))
        .expect("endpoints");
    assert_eq!(
        endpoints.identities,
        ["spiffe://example.org/ns/shop/sa/catalog"]
    );
}
