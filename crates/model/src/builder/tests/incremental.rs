//! Many small changes lead to the same mesh as one big one.

use super::*;

/// A small generator of numbers: the same sequence on every machine (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const NAMESPACES: &[&str] = &["a", "b", "istio-system"];

/// A random version of one of a few dozen objects.
fn object(random: &mut Random) -> String {
    let n = random.below(4) + 1;
    let namespace = random.pick(NAMESPACES);
    match random.below(13) {
        0 | 1 => service(n, namespace, random.pick(&[
            "",
            "  exportTo: ['.']",
            "  exportTo: [a]",
            "  - {address: 10.0.9.9, serviceAccount: other}",
        ])),
        2 => service(n, namespace, "").replace(
            &format!("svc{n}.{namespace}.svc"),
            &format!("svc{n}.shared.svc"),
        ),
        3 => route(n, namespace, 10 * random.below(10) as u32).replace(
            "spec:",
            random.pick(&["spec:", "spec:\n  exportTo: ['.']", "spec:\n  gateways: [gw, mesh]"]),
        ),
        4 if n == 1 => {
            let own = route(random.below(2) + 5, "a", 10 * random.below(10) as u32);
            let (head, rest) = own.split_once("  hosts:").expect("hosts");
            format!("{head}{}", rest.split_once('\n').expect("a line").1)
        }
        4 => route(n, namespace, 50).replace(
            "  - route:",
            "  - match: [{sourceLabels: {tier: gold}}]\n    route:",
        ),
        5 => rule(n, namespace, random.pick(&[
            "",
            "  exportTo: [b]",
            "  trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}",
            "  workloadSelector: {matchLabels: {app: x}}",
        ])),
        6 => rule(n, namespace, "").replace(
            &format!("svc{n}.{namespace}.svc.cluster.local"),
            "'*.a.svc.cluster.local'",
        ),
        7 => peer_authentication(namespace, random.pick(&["one", "two"]), random.pick(&[
            "{mtls: {mode: STRICT}}",
            "{selector: {matchLabels: {app: x}}, mtls: {mode: DISABLE}}",
        ])),
        8 => format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: pod{n}, namespace: {namespace}, labels: {{app: {}}}}}
spec: {{nodeName: node{}, containers: [{{name: c, image: i, ports: [{{name: web, containerPort: 3000}}]}}]}}
status: {{podIP: 10.0.0.{n}, conditions: [{{type: Ready, status: '{}'}}]}}
---
",
            random.pick(&["x", "y"]),
            random.below(2),
            random.pick(&["True", "False"]),
        ),
        10 => format!(
            "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: default, namespace: {namespace}}}
spec: {}
---
",
            random.pick(&[
                "{egress: [{hosts: ['./*']}]}",
                "{egress: [{hosts: ['a/*', 'b/svc1.b.svc.cluster.local']}]}",
                "{workloadSelector: {labels: {app: x}}, egress: [{hosts: ['*/*']}]}",
                "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}",
            ])
        ),
        11 => {
            let root = route(n, namespace, 50);
            let (head, _) = root.split_once("  - route:").expect("a route");
            format!("{head}  - delegate: {{name: svc{}, namespace: a}}\n---\n", n % 2 + 5)
        }
        9 => format!(
            "
apiVersion: v1
kind: Service
metadata: {{name: k{n}, namespace: {namespace}}}
spec: {}
---
",
            random.pick(&[
                "{clusterIP: 10.96.0.1, selector: {app: x}, ports: [{name: http, port: 80, targetPort: web}]}",
                "{clusterIP: None, selector: {app: y}, ports: [{name: tcp, port: 80}]}",
                "{type: ExternalName, externalName: k1.a.svc.cluster.local}",
            ])
        ),
        _ => format!(
            "
apiVersion: v1
kind: Node
metadata: {{name: node{}, labels: {{topology.kubernetes.io/region: {}}}}}
---
",
            random.below(2),
            random.pick(&["north", "south"])
        ),
    }
}

fn proxies() -> Vec<Proxy> {
    let mut proxies = Vec::new();
    for namespace in ["a", "b", "c", "istio-system"] {
        for n in 1..4 {
            let id = format!("sidecar~10.0.0.{n}~w.{namespace}~{namespace}.svc.cluster.local");
            proxies.push(proxy(&id, &[("app", "x"), ("tier", "gold")]));
        }
    }
    proxies.push(proxy(
        "router~10.0.0.4~gw.a~a.svc.cluster.local",
        &[("istio", "gw")],
    ));
    proxies
}

/// Everything that a proxy is told, as text that can be compared.
fn sight(snapshot: &Snapshot, proxy: &Proxy) -> String {
    let view = snapshot.view_of(proxy);
    let scope = snapshot.scope(&view.outbound);
    let mut text = format!("{view:?}\n");
    for service in scope.services() {
        let rule = snapshot.destination_rule(&view.outbound, service);
        let endpoints = snapshot.endpoints().of(&service.key());
        text += &format!("{service:?}\n{rule:?}\n{endpoints:?}\n");
        text += &format!("{:?}\n", scope.virtual_service(&service.hostname));
        text += &format!("{:?}\n", snapshot.namespace_mtls(&service.namespace));
    }
    text
}

#[test]
fn small_changes_lead_to_the_same_mesh_as_a_fresh_start() {
    for seed in 0..24 {
        let mut random = Random(seed);
        let mut world = World::new("");
        for _ in 0..60 {
            if random.below(4) == 0 && !world.objects.is_empty() {
                let at = random.below(world.objects.len());
                let key = world.objects.keys().nth(at).expect("an object").clone();
                world.delete(&key);
            } else {
                world.apply(&object(&mut random));
            }
        }
        let mut fresh = SnapshotBuilder::new(MeshSettings::default());
        let all: Vec<_> = world
            .objects
            .values()
            .map(|object| ObjectChange {
                old: None,
                new: Some(object),
            })
            .collect();
        fresh.apply(&all);
        let (grown, fresh) = (world.snapshot(), fresh.snapshot());
        assert_eq!(grown.endpoints, fresh.endpoints, "seed {seed}");
        assert_eq!(
            grown.indices.distinction, fresh.indices.distinction,
            "seed {seed}"
        );
        for proxy in proxies() {
            assert_eq!(
                sight(&grown, &proxy),
                sight(fresh, &proxy),
                "seed {seed}, {}",
                proxy.id
            );
        }
    }
}

#[test]
fn what_a_change_does_not_name_is_as_it_was() {
    for seed in 100..124 {
        let mut random = Random(seed);
        let mut world = World::new("");
        for _ in 0..40 {
            let before = world.snapshot();
            let affected = if random.below(5) == 0 && !world.objects.is_empty() {
                let at = random.below(world.objects.len());
                let key = world.objects.keys().nth(at).expect("an object").clone();
                world.delete(&key)
            } else {
                world.apply(&object(&mut random))
            };
            check_unaffected(&before, &world.snapshot(), &affected, seed);
        }
    }
}

/// Looks for a difference that `affected` does not name.
fn check_unaffected(before: &Snapshot, after: &Snapshot, affected: &Affected, seed: u64) {
    for proxy in proxies() {
        let (old, new) = (before.view_of(&proxy), after.view_of(&proxy));
        if !affected.changes_view_of(&proxy) {
            assert_eq!(old, new, "seed {seed}: the view of {} changed", proxy.id);
        } else if old.outbound != new.outbound {
            continue;
        }
        let scopes = [before.scope(&old.outbound), after.scope(&new.outbound)];
        let names = scopes
            .iter()
            .flat_map(|scope| scope.services())
            .map(|s| s.hostname.clone());
        for host in names.collect::<std::collections::BTreeSet<_>>() {
            let looks = [(before, &scopes[0], &old), (after, &scopes[1], &new)].map(
                |(snapshot, scope, view)| {
                    let service = scope.service(&host);
                    let rule = service
                        .and_then(|service| snapshot.destination_rule(&view.outbound, service))
                        .map(|rule| rule.spec.clone());
                    let endpoints = service
                        .and_then(|service| snapshot.endpoints().of(&service.key()).cloned());
                    let mtls = service.map(|service| snapshot.namespace_mtls(&service.namespace));
                    let route = scope.virtual_service(&host).cloned();
                    (service.cloned(), rule, endpoints, mtls, route)
                },
            );
            let told = affected.namespaces.contains(&proxy.namespace);
            let [old, new] = looks;
            let place = format!("seed {seed}: {host} for {}", proxy.id);
            if old.0 != new.0 || old.1 != new.1 || old.3 != new.3 {
                assert!(
                    told && affected.clusters.contains(&host),
                    "clusters, {place}"
                );
            }
            if old.2 != new.2 {
                assert!(
                    told && affected.endpoints.contains(&host),
                    "endpoints, {place}"
                );
            }
            if old.4 != new.4 {
                assert!(told && affected.routes.contains(&host), "routes, {place}");
            }
        }
    }
}
