//! Calls through a small mesh: where they end, and that the way is explained.

use ferromesh_simulate::{Call, Direction, End, Failure, Mesh, Plane, Resources, Tls, proxy};
use serde_json::json;

const SHOP: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.10
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, version: v1}}
spec: {containers: [{name: web}]}
status:
  phase: Running
  podIP: 10.244.0.11
  conditions: [{type: Ready, status: 'True'}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
  - name: old
    match: [{uri: {prefix: /old}}]
    redirect: {uri: /new}
  - name: canary
    match: [{headers: {x-canary: {exact: 'yes'}}}]
    timeout: 2s
    retries: {attempts: 3, perTryTimeout: 1s}
    route: [{destination: {host: web, subset: v1}}]
  - name: rest
    route: [{destination: {host: web}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
";

fn plane() -> Plane {
    let mut mesh = Mesh::new();
    mesh.add(SHOP, "shop.yaml");
    assert!(mesh.problems().is_empty(), "{:?}", mesh.problems());
    let node = json!({
        "id": "sidecar~10.244.0.11~web-1.shop~shop.svc.cluster.local",
        "metadata": {"NAMESPACE": "shop", "FERROMESH_VERSION": "test"},
    });
    let snapshot = mesh.snapshot();
    let view = snapshot.view_of(&proxy(&node).expect("a valid node"));
    let resources = Resources::generate(&snapshot, &view).expect("our own resources are readable");
    let plane = Plane::compile(resources);
    assert!(plane.refused().is_empty(), "{:?}", plane.refused());
    plane
}

fn to_web(path: &str) -> Call {
    Call::http(([10, 96, 0, 10], 80).into(), "web", path)
}

#[test]
fn a_request_ends_where_its_first_matching_route_leads() {
    let plane = plane();
    let walk = plane.walk(&to_web("/"), "default");
    assert_eq!(walk.route, "rest");
    assert_eq!(walk.cluster(), "outbound|80||web.shop.svc.cluster.local");
    let mut canary = to_web("/x");
    canary.request = canary.request.with_header("x-canary", "yes");
    let walk = plane.walk(&canary, "default");
    let End::Forwarded(forwarding) = &walk.end else {
        panic!("not forwarded: {walk}");
    };
    assert_eq!(walk.cluster(), "outbound|80|v1|web.shop.svc.cluster.local");
    assert_eq!(forwarding.timeout.map(|limit| limit.as_secs()), Some(2));
    assert_eq!(forwarding.retries.as_ref().map(|r| r.retries), Some(3));
    assert_eq!(
        forwarding.shares[0].target.endpoints[0].address,
        "10.244.0.11:8080"
    );
    let End::Redirected { status, location } = plane.walk(&to_web("/old"), "default").end else {
        panic!("not redirected");
    };
    assert_eq!((status, location.as_str()), (301, "http://web/new"));
}

#[test]
fn every_step_says_why_and_why_nothing_else() {
    let walk = plane().walk(&to_web("/"), "default").to_string();
    for sentence in [
        "listener: 0.0.0.0_80: it is the listener of 10.96.0.10:80",
        "not old: the path does not begin with /old",
        "not canary: header x-canary does not match",
    ] {
        assert!(walk.contains(sentence), "{sentence} is not in\n{walk}");
    }
}

#[test]
fn plaintext_is_refused_where_mutual_tls_is_strict() {
    let plane = plane();
    let mut call = Call::http(([10, 244, 0, 11], 8080).into(), "web", "/");
    call.direction = Direction::Inbound;
    let refused = plane.walk(&call, "default");
    assert_eq!(refused.failure(), Some(Failure::NoFilterChain));
    call.tls = Tls::Mutual;
    let accepted = plane.walk(&call, "default");
    assert_eq!(accepted.cluster(), "inbound|8080||");
}
