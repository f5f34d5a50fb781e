//! The cost of a change, counted in parts that are made anew rather than in seconds.

use std::collections::HashSet;

use super::*;

const SERVICES: usize = 1000;
const NAMESPACES: usize = 20;

/// The mesh of the load test: two endpoints per service, every tenth with a route and a rule.
fn big_mesh() -> World {
    let mut yaml = String::new();
    for n in 0..SERVICES {
        yaml += &big_service(n, "");
        if n % 10 == 0 {
            let namespace = format!("ns{}", n % NAMESPACES);
            yaml += &(route(n, &namespace, 90) + &rule(n, &namespace, ""));
        }
    }
    World::new(&yaml)
}

fn big_service(n: usize, extra: &str) -> String {
    let address = |host: usize| format!("10.100.{}.{}", host / 256, host % 256);
    service(
        n,
        &format!("ns{}", n % NAMESPACES),
        &format!(
            "  - {{address: {}, labels: {{version: v2}}, serviceAccount: default}}\n{extra}",
            address(2 * n + 1)
        ),
    )
    .replace(&format!("10.0.0.{n},"), &format!("{},", address(2 * n)))
    .replace(
        &format!("172.16.0.{n}]"),
        &format!("172.16.{}.{}]", n / 256, n % 256),
    )
}

#[test]
fn a_thousand_proxies_need_few_views_and_small_changes_copy_little() {
    let mut world = big_mesh();
    let snapshot = world.snapshot();
    let views: Vec<ProxyView> = (0..1000)
        .map(|i| {
            let namespace = format!("ns{}", (i / 2) % NAMESPACES);
            let ip = format!("10.100.{}.{}", i / 256, i % 256);
            let id = format!("sidecar~{ip}~w-{i}.{namespace}~{namespace}.svc.cluster.local");
            snapshot.view_of(&proxy(&id, &[("app", &format!("svc{}", i / 2))]))
        })
        .collect();
    let distinct = |count: usize, most: usize, what: &str| {
        assert!(
            count <= most,
            "{count} {what} views, at most {most} expected"
        );
    };
    distinct(
        views
            .iter()
            .map(|v| &v.outbound)
            .collect::<HashSet<_>>()
            .len(),
        1,
        "outbound",
    );
    distinct(
        views.iter().map(|v| &v.route).collect::<HashSet<_>>().len(),
        NAMESPACES,
        "route",
    );
    distinct(
        views
            .iter()
            .map(|v| &v.inbound)
            .collect::<HashSet<_>>()
            .len(),
        500,
        "inbound",
    );
    assert_eq!(
        views[0].inbound.as_ref().map(|inbound| inbound.ports.len()),
        Some(1)
    );

    let affected = world.apply(&big_service(
        40,
        "  - {address: 10.200.0.1, serviceAccount: default}",
    ));
    assert!(affected.is_endpoints_only());
    assert!(world.snapshot().endpoints.unshared(&snapshot.endpoints) <= 2);

    let before = world.snapshot();
    let affected = world.apply(&route(40, "ns0", 50));
    assert!(!affected.views && affected.clusters.is_none() && affected.endpoints.is_none());
    assert!(Arc::ptr_eq(
        &before.indices.services,
        &world.snapshot().indices.services
    ));

    let affected = world.apply(&big_service(2, "").replace("number: 80", "number: 81"));
    assert_eq!(affected.clusters, hosts(&["svc2.ns2.svc.cluster.local"]));
    assert!(
        world
            .snapshot()
            .indices
            .services
            .unshared(&before.indices.services)
            <= 1
    );
}
