//! Which proxies share which views.

use std::collections::HashSet;

use super::*;

fn outbound(world: &World, namespace: &str, n: usize, labels: &[(&str, &str)]) -> OutboundView {
    let id = format!("sidecar~10.0.0.{n}~w{n}.{namespace}~{namespace}.svc.cluster.local");
    OutboundView::clone(&world.view(&id, labels).outbound)
}

fn plain_mesh() -> World {
    let services = (1..5).map(|n| service(n, "a", "") + &service(n + 10, "b", ""));
    World::new(&(services.collect::<String>() + &route(1, "a", 90) + &rule(1, "a", "")))
}

#[test]
fn without_special_objects_all_sidecars_share_the_outbound_view() {
    let world = plain_mesh();
    let views: HashSet<_> = (1..20)
        .flat_map(|n| {
            [
                outbound(&world, "a", n, &[("app", "x")]),
                outbound(&world, "b", n, &[]),
            ]
        })
        .collect();
    assert_eq!(views.len(), 1);
}

#[test]
fn replicas_share_the_inbound_view_and_a_namespace_its_routes() {
    let world = World::new(&service(
        1,
        "a",
        "  - {address: 10.0.0.2, serviceAccount: default}",
    ));
    let view = |n: usize| {
        world.view(
            &format!("sidecar~10.0.0.{n}~w{n}.a~a.svc.cluster.local"),
            &[],
        )
    };
    assert_eq!(view(1).inbound, view(2).inbound);
    assert_ne!(view(1).inbound, view(3).inbound);
    assert_eq!(view(1).route, view(3).route);
    let ports = &view(1).inbound.expect("a sidecar").ports;
    assert_eq!(
        (ports.len(), ports[0].target_port, ports[0].port.port),
        (1, 8080, 80)
    );
}

#[test]
fn an_object_for_one_namespace_splits_that_namespace_off() {
    let mut world = plain_mesh();
    let affected = world.apply(&service(30, "a", "  exportTo: ['.']"));
    assert!(affected.views);
    let (a, b) = (outbound(&world, "a", 1, &[]), outbound(&world, "b", 1, &[]));
    assert_eq!(a.scope.namespace, Some("a".into()));
    assert_eq!(b.scope.namespace, None);
    let snapshot = world.snapshot();
    let host = Hostname::from("svc30.a.svc.cluster.local");
    assert!(snapshot.scope(&a).service(&host).is_some());
    assert!(snapshot.scope(&b).service(&host).is_none());
}

#[test]
fn labels_count_only_where_a_route_reads_them() {
    let mut world = plain_mesh();
    let labels: &[(&str, &str)] = &[("app", "x"), ("tier", "gold")];
    assert!(outbound(&world, "a", 1, labels).labels.is_empty());
    let affected = world.apply(&route(1, "a", 90).replace(
        "  - route:",
        "  - match: [{sourceLabels: {tier: gold}, sourceNamespace: a}]\n    route:",
    ));
    assert!(affected.views);
    let view = outbound(&world, "a", 1, labels);
    assert_eq!(view.labels, [("tier", "gold")].into_iter().collect());
    assert_eq!(view.source_namespace, Some("a".into()));
}

#[test]
fn the_place_counts_only_where_a_rule_prefers_near_endpoints() {
    let mut world = plain_mesh();
    let here = |world: &World| {
        let mut proxy = proxy("sidecar~10.0.0.1~w.a~a.svc.cluster.local", &[]);
        proxy.locality = ferromesh_types::Locality::parse("north/a");
        world
            .snapshot()
            .view_of(&proxy)
            .outbound
            .locality
            .to_string()
    };
    assert_eq!(here(&world), "");
    world.apply(&rule(
        1,
        "a",
        "  trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}",
    ));
    assert_eq!(here(&world), "north/a");
}

#[test]
fn members_of_headless_tcp_services_know_their_own_address() {
    let mut world = plain_mesh();
    world.apply(
        "
apiVersion: v1
kind: Service
metadata: {name: db, namespace: a}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: tcp-db, port: 5432}]
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: a, labels: {app: db}}
spec: {containers: [{name: db, image: db}]}
status: {podIP: 10.7.0.1, conditions: [{type: Ready, status: 'True'}]}
",
    );
    let own = |ip: &str| {
        let view = world.view(&format!("sidecar~{ip}~x.a~a.svc.cluster.local"), &[]);
        view.listener.expect("a sidecar").own_addresses.len()
    };
    assert_eq!((own("10.7.0.1"), own("10.7.0.2")), (1, 0));
}
