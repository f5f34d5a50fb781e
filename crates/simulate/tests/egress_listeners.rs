//! Egress listeners of a Sidecar: each has its place and its services.

use ferromesh_simulate::{Call, Mesh, Plane, Resources, proxy};
use serde_json::json;

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.10, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: search, namespace: shop}
spec: {clusterIP: 10.96.0.11, ports: [{name: http, port: 80}, {name: http-more, port: 9200}]}
---
apiVersion: v1
kind: Service
metadata: {name: ledger, namespace: shop}
spec: {clusterIP: 10.96.0.12, ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: forward, namespace: shop}
spec: {clusterIP: 10.96.0.13, ports: [{name: tcp, port: 3128}]}
";

fn plane(sidecar: &str, interception: &str) -> Plane {
    let mut mesh = Mesh::new();
    mesh.add(SERVICES, "services.yaml");
    let object = format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\n\
         metadata: {{name: default, namespace: shop}}\nspec: {sidecar}"
    );
    mesh.add(&object, "sidecar.yaml");
    assert!(mesh.problems().is_empty(), "{:?}", mesh.problems());
    let node = json!({
        "id": "sidecar~10.244.0.11~web-1.shop~shop.svc.cluster.local",
        "metadata": {
            "NAMESPACE": "shop",
            "FERROMESH_VERSION": "test",
            "INTERCEPTION_MODE": interception,
        },
    });
    let snapshot = mesh.snapshot();
    let view = snapshot.view_of(&proxy(&node).expect("a valid node"));
    let resources = Resources::generate(&snapshot, &view).expect("our own resources are readable");
    let plane = Plane::compile(resources);
    assert!(plane.refused().is_empty(), "{:?}", plane.refused());
    plane
}

fn end(plane: &Plane, address: [u8; 4], port: u16, host: &str) -> String {
    let walk = plane.walk(&Call::http((address, port).into(), host, "/"), "default");
    match walk.failure() {
        Some(failure) => failure.to_string(),
        None => format!("{} {}", walk.listener, walk.cluster()),
    }
}

#[test]
fn a_listener_with_a_port_knows_its_own_services_and_the_others_know_theirs() {
    let plane = plane(
        "{egress: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['./search.*']}, \
         {hosts: ['./web.shop.svc.cluster.local', './ledger.shop.svc.cluster.local']}]}"
            .replace("search.*", "search.shop.svc.cluster.local")
            .as_str(),
        "REDIRECT",
    );
    let search = "0.0.0.0_80 outbound|80||search.shop.svc.cluster.local";
    assert_eq!(end(&plane, [10, 96, 0, 11], 80, "search"), search);
    assert_eq!(
        end(&plane, [10, 96, 0, 10], 80, "web"),
        "0.0.0.0_80 PassthroughCluster"
    );
    assert_eq!(
        end(&plane, [10, 96, 0, 12], 5432, ""),
        "10.96.0.12_5432 outbound|5432||ledger.shop.svc.cluster.local"
    );
}

#[test]
fn a_bound_listener_takes_connections_to_its_address_in_any_interception_mode() {
    let sidecar = "{egress: [{port: {number: 5432, name: t, protocol: TCP}, bind: 127.0.0.1, \
                   captureMode: NONE, hosts: ['./*']}, \
                   {port: {number: 9200, name: h, protocol: HTTP}, captureMode: NONE, \
                   hosts: ['./*']}]}";
    for mode in ["REDIRECT", "NONE"] {
        let plane = plane(sidecar, mode);
        let bound = plane.listeners().filter(|listener| listener.bind_to_port);
        let mut names: Vec<_> = bound.map(|listener| listener.name.to_string()).collect();
        names.retain(|name| !name.starts_with("virtual"));
        assert_eq!(names, ["127.0.0.1_5432", "127.0.0.1_9200"], "{mode}");
        assert_eq!(
            end(&plane, [127, 0, 0, 1], 5432, ""),
            "127.0.0.1_5432 outbound|5432||ledger.shop.svc.cluster.local"
        );
        assert_eq!(
            end(&plane, [127, 0, 0, 1], 9200, "search"),
            "127.0.0.1_9200 outbound|9200||search.shop.svc.cluster.local"
        );
    }
}

#[test]
fn unknown_traffic_goes_to_the_egress_proxy() {
    let plane = plane(
        "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: \
         forward.shop.svc.cluster.local, port: {number: 3128}}}}",
        "REDIRECT",
    );
    let forward = "outbound|3128||forward.shop.svc.cluster.local";
    assert_eq!(
        end(&plane, [198, 51, 100, 7], 80, "unknown.example"),
        format!("0.0.0.0_80 {forward}")
    );
    assert_eq!(
        end(&plane, [198, 51, 100, 7], 4444, ""),
        format!("virtualOutbound {forward}")
    );
}
