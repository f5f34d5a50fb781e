//! Which policy's tunnel the bytes of a TCP route go through.

mod mesh;

use serde_json::{Value, json};

const OBJECTS: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outer, namespace: shop}
spec:
  hosts: [deep.example.org]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 443, name: tls, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: proxy, namespace: shop}
spec:
  hosts: [forward-proxy.example.com]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 3128, name: tcp, protocol: TCP}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: proxy, namespace: shop}
spec:
  host: forward-proxy.example.com
  trafficPolicy:
    tunnel: {protocol: CONNECT, targetHost: all.example.org, targetPort: 443}
  subsets:
  - name: one
    trafficPolicy:
      tunnel: {protocol: POST, targetHost: one.example.org, targetPort: 443}
  - name: two
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outer, namespace: shop}
spec:
  hosts: [deep.example.org]
  tls:
  - match: [{port: 443, sniHosts: [deep.example.org]}]
    route:
";

/// The tunnels of a sidecar's listeners on the port of a TLS route to these subsets.
fn tunnels(subsets: &[&str]) -> Vec<Value> {
    let weight = 100 / subsets.len();
    let routes = subsets.iter().map(|subset| {
        format!(
            "    - destination: {{host: forward-proxy.example.com, subset: {subset}, \
             port: {{number: 3128}}}}\n      weight: {weight}\n"
        )
    });
    let objects = OBJECTS.to_owned() + &routes.collect::<String>();
    let snapshot = mesh::snapshot(&mesh::objects(&objects, "x.yaml"));
    let node = json!({
        "id": "sidecar~10.1.0.1~web-1.shop~shop.svc.cluster.local",
        "metadata": {"NAMESPACE": "shop", "CLUSTER_ID": "Kubernetes"},
    });
    let view = snapshot.view_of(&mesh::proxy(&node));
    let capture = mesh::capture(&snapshot, &view).json();
    let mut found = Vec::new();
    for listener in capture["listeners"].as_array().expect("a list") {
        let name = listener["name"].as_str().expect("a name");
        if name.ends_with("_443") {
            collect(listener, &mut found);
        }
    }
    found
}

fn collect(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("tunnelingConfig").cloned());
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[test]
fn the_tunnel_of_the_subset_goes_before_that_of_the_host() {
    let own = json!({"hostname": "one.example.org:443", "usePost": true});
    assert_eq!(tunnels(&["one"]), [own]);
    let general = json!({"hostname": "all.example.org:443"});
    assert_eq!(tunnels(&["two"]), [general]);
}

#[test]
fn several_destinations_share_the_tunnel_of_the_host() {
    let general = json!({"hostname": "all.example.org:443"});
    assert_eq!(tunnels(&["one", "two"]), [general]);
}
