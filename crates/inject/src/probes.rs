//! The application's probes, sent through the proxy's status port.
//!
//! The kubelet has no mesh certificate, and an address outside of the pod: under STRICT mutual TLS
//! its probes would fail. The status server makes the calls from inside the pod instead.

use serde_json::{Map, Value, json};

const PROBES: [(&str, &str); 3] = [
    ("livenessProbe", "livez"),
    ("readinessProbe", "readyz"),
    ("startupProbe", "startupz"),
];

/// Rewrites the probes of all containers of `pod`; returns what the status server needs to know
/// (`ISTIO_KUBE_APP_PROBERS`), if any probe was rewritten.
pub(crate) fn rewrite(pod: &mut Value, status_port: u16) -> Option<String> {
    let mut probes = Map::new();
    for list in ["containers", "initContainers"] {
        let containers = pod
            .pointer_mut(&format!("/spec/{list}"))
            .and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            rewrite_container(container, status_port, &mut probes);
        }
    }
    (!probes.is_empty()).then(|| Value::Object(probes).to_string())
}

fn rewrite_container(container: &mut Value, status_port: u16, probes: &mut Map<String, Value>) {
    let Some(name) = container["name"].as_str().map(str::to_owned) else {
        return;
    };
    if name == "istio-proxy" {
        return;
    }
    let ports = container.get("ports").cloned().unwrap_or_default();
    for (field, path) in PROBES {
        let Some(probe) = container.get_mut(field).and_then(Value::as_object_mut) else {
            continue;
        };
        let Some(action) = take_action(probe, &ports) else {
            continue;
        };
        let path = format!("/app-health/{name}/{path}");
        let mut known = action;
        if let Some(timeout) = probe.get("timeoutSeconds") {
            known["timeoutSeconds"] = timeout.clone();
        }
        probe.insert(
            "httpGet".to_owned(),
            json!({"path": path, "port": status_port}),
        );
        probes.insert(path, known);
    }
}

/// Takes the action out of a probe; commands stay, since they run inside the container anyway.
fn take_action(probe: &mut Map<String, Value>, ports: &Value) -> Option<Value> {
    for kind in ["httpGet", "tcpSocket", "grpc"] {
        if let Some(mut action) = probe.remove(kind) {
            if let Some(number) = action.get("port").and_then(|port| port_number(port, ports)) {
                action["port"] = number;
            }
            return Some(json!({kind: action}));
        }
    }
    None
}

fn port_number(port: &Value, ports: &Value) -> Option<Value> {
    let name = port.as_str()?;
    ports
        .as_array()?
        .iter()
        .find(|port| port["name"] == name)?
        .get("containerPort")
        .cloned()
}
