//! The volumes that a proxy needs, and where they are mounted.

use serde_json::{Value, json};

/// Volume name, mount path.
const MOUNTS: [(&str, &str); 9] = [
    ("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
    ("credential-socket", "/var/run/secrets/credential-uds"),
    (
        "workload-certs",
        "/var/run/secrets/workload-spiffe-credentials",
    ),
    ("istiod-ca-cert", "/var/run/secrets/istio"),
    ("istio-ca-crl", "/var/run/secrets/istio/crl"),
    ("istio-data", "/var/lib/istio/data"),
    ("istio-envoy", "/etc/istio/proxy"),
    ("istio-token", "/var/run/secrets/tokens"),
    ("istio-podinfo", "/etc/istio/pod"),
];

pub(crate) fn mounts() -> Vec<Value> {
    MOUNTS
        .iter()
        .map(|(name, path)| json!({"name": name, "mountPath": path}))
        .collect()
}

pub(crate) fn volumes() -> Vec<Value> {
    vec![
        json!({"name": "workload-socket"}),
        json!({"name": "credential-socket"}),
        json!({"name": "workload-certs"}),
        json!({"name": "istio-envoy", "emptyDir": {"medium": "Memory"}}),
        json!({"name": "istio-data", "emptyDir": {}}),
        json!({"name": "istio-podinfo", "downwardAPI": {"items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}},
        ]}}),
        // The token is short-lived and good for the control plane alone.
        json!({"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": {
            "audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token",
        }}]}}),
        json!({"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}}),
        json!({"name": "istio-ca-crl", "configMap": {"name": "istio-ca-crl", "optional": true}}),
    ]
}
