//! Which credentials the proxies of a namespace get.

mod mesh;

use ferromesh_types::{Namespace, Str};

const OBJECTS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front, namespace: edge}
spec:
  gatewayClassName: istio
  listeners:
  - name: web
    port: 443
    protocol: HTTPS
    tls: {certificateRefs: [{name: site, namespace: certs}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: front, namespace: certs}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: edge}]
  to: [{group: '', kind: Secret, name: site}]
---
apiVersion: v1
kind: Secret
metadata: {name: site, namespace: certs}
data: {tls.crt: YQ==, tls.key: Yg==, ca.crt: Yw==}
---
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: certs}
data: {tls.crt: YQ==, tls.key: Yg==}
---
apiVersion: v1
kind: Secret
metadata: {name: own, namespace: edge}
data: {tls.crt: YQ==, tls.key: Yg==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ca, namespace: shop}
data: {ca.crt: roots}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: unused, namespace: shop}
data: {ca.crt: roots}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: db, namespace: shop}
spec:
  targetRefs: [{group: '', kind: Service, name: db}]
  validation: {hostname: db.example, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}
";

/// The names among `asked` that the proxies of `namespace` get.
fn got(namespace: &str, asked: &[&str]) -> Vec<Str> {
    let snapshot = mesh::snapshot(&mesh::objects(OBJECTS, "x.yaml"));
    let names: Vec<Str> = asked.iter().map(|name| Str::from(*name)).collect();
    ferromesh_translate::secrets(&snapshot, &Namespace::from(namespace), &names)
        .into_iter()
        .map(|resource| resource.name)
        .collect()
}

#[test]
fn keys_of_another_namespace_are_for_the_gateway_that_may_use_them() {
    let asked = [
        "kubernetes-gateway://certs/site",
        "kubernetes-gateway://certs/site-cacert",
    ];
    assert_eq!(got("edge", &asked), asked);
    assert_eq!(got("shop", &asked), [] as [&str; 0]);
    assert_eq!(
        got("edge", &["kubernetes-gateway://certs/other"]),
        [] as [&str; 0]
    );
    assert_eq!(got("edge", &["kubernetes://certs/site"]), [] as [&str; 0]);
}

#[test]
fn keys_of_the_own_namespace_need_no_leave() {
    let asked = ["kubernetes-gateway://edge/own", "kubernetes://own"];
    assert_eq!(got("edge", &asked), asked);
}

#[test]
fn roots_of_config_maps_are_for_everybody_where_something_refers_to_them() {
    let asked = [
        "configmap://shop/ca-cacert",
        "configmap://shop/unused-cacert",
    ];
    assert_eq!(got("edge", &asked), asked[..1]);
    assert_eq!(
        got("edge", &["kubernetes://shop/ca-cacert"]),
        [] as [&str; 0]
    );
}
