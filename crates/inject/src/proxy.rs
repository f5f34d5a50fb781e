//! The proxy container itself, for sidecars and for gateways.

use serde_json::{Map, Value, json};

use crate::environment;
use crate::pod::Context;

/// The fields of the sidecar's container.
pub(crate) fn sidecar(context: &Context<'_>) -> Value {
    let mut container = base(context, "sidecar");
    container["securityContext"] = security(context);
    if context.native {
        container["restartPolicy"] = json!("Always");
        container["lifecycle"] = json!({"preStop": {"exec": {"command":
            ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]}}});
    } else if context.hold_application() {
        container["lifecycle"] =
            json!({"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}});
    }
    container
}

/// The fields of a gateway's container; what the user wrote about it wins.
pub(crate) fn gateway(context: &Context<'_>, user: &Value) -> Value {
    let mut container = base(context, "router");
    merge(&mut container, user);
    if user["image"] == "auto" {
        container["image"] = json!(context.image);
    }
    container
}

fn base(context: &Context<'_>, role: &str) -> Value {
    let domain = format!("$(POD_NAMESPACE).svc.{}", context.settings.cluster_domain);
    let mut container = json!({
        "name": "istio-proxy",
        "image": context.image,
        "args": [
            "proxy", role, "--domain", domain,
            format!("--proxyLogLevel={}", context.settings.log_level),
            "--proxyComponentLogLevel=misc:error",
            "--log_output_level=default:info",
        ],
        "env": environment::variables(context),
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "resources": context.resources(),
        "volumeMounts": crate::volumes::mounts(),
    });
    if context.status_port != 0 {
        container["readinessProbe"] = probe(15, 4);
        if role == "sidecar" {
            container["startupProbe"] = probe(1, 600);
        }
    }
    container
}

fn probe(period: u32, failures: u32) -> Value {
    json!({
        "httpGet": {"path": "/healthz/ready", "port": 15021},
        "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 3,
    })
}

fn security(context: &Context<'_>) -> Value {
    // Transparent interception keeps foreign source addresses, which only NET_ADMIN may bind.
    let transparent = context.interception_mode == "TPROXY";
    let mut capabilities = json!({"drop": ["ALL"]});
    if transparent {
        capabilities["add"] = json!(["NET_ADMIN"]);
    }
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": capabilities,
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsGroup": 1337,
        "runAsNonRoot": !transparent,
        "runAsUser": if transparent { 0 } else { 1337 },
    })
}

/// Lays `over` on `under`: objects by key, lists of named things by name, the rest replaced.
pub(crate) fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => merge_objects(under, over),
        (Value::Array(under), Value::Array(over)) if named(under) && named(over) => {
            for item in over {
                match under.iter_mut().find(|known| known["name"] == item["name"]) {
                    Some(known) => merge(known, item),
                    None => under.push(item.clone()),
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

fn merge_objects(under: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match under.get_mut(key) {
            Some(known) => merge(known, value),
            None => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

fn named(list: &[Value]) -> bool {
    list.iter().all(|item| item["name"].is_string())
}
