//! The environment of the proxy container: who it is and where its control plane is.

use serde_json::{Value, json};

use crate::init::proxy_metadata;
use crate::pod::Context;

pub(crate) fn variables(context: &Context<'_>) -> Vec<Value> {
    let settings = context.settings;
    let mut variables = vec![
        plain("PILOT_CERT_PROVIDER", "istiod"),
        plain("CA_ADDR", &settings.discovery_address),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        json!({"name": "ISTIO_CPU_LIMIT",
               "valueFrom": {"resourceFieldRef": {"divisor": "1", "resource": "limits.cpu"}}}),
        plain("PROXY_CONFIG", &format!("{}\n", context.proxy_config)),
        plain("ISTIO_META_POD_PORTS", &pod_ports(context.pod)),
        plain("ISTIO_META_APP_CONTAINERS", &app_containers(context.pod)),
        plain("ISTIO_META_CLUSTER_ID", &settings.cluster_id),
        field("ISTIO_META_NODE_NAME", "spec.nodeName"),
        plain("ISTIO_META_INTERCEPTION_MODE", context.interception_mode),
    ];
    if !settings.network.is_empty() {
        variables.push(plain("ISTIO_META_NETWORK", &settings.network));
    }
    if let Some(owner) = context.owner {
        variables.push(plain("ISTIO_META_WORKLOAD_NAME", &owner.name));
        let path = format!(
            "kubernetes://apis/{}/namespaces/{}/{}s/{}",
            owner.api_version,
            context.namespace,
            owner.kind.to_ascii_lowercase(),
            owner.name
        );
        variables.push(plain("ISTIO_META_OWNER", &path));
    }
    variables.push(plain("ISTIO_META_MESH_ID", &settings.mesh_id));
    variables.push(plain("TRUST_DOMAIN", &settings.trust_domain));
    variables.extend(proxy_metadata(context));
    if let Some(probes) = &context.app_probes {
        variables.push(plain("ISTIO_KUBE_APP_PROBERS", probes));
    }
    if let Some(scrape) = &context.prometheus_annotations {
        variables.push(plain("ISTIO_PROMETHEUS_ANNOTATIONS", scrape));
    }
    variables
}

fn plain(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn field(name: &str, path: &str) -> Value {
    json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}})
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod.pointer("/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn pod_ports(pod: &Value) -> String {
    let ports: Vec<&Value> = containers(pod)
        .filter(|container| container["name"] != "istio-proxy")
        .filter_map(|container| container.get("ports")?.as_array())
        .flatten()
        .collect();
    serde_json::to_string(&ports).expect("JSON values always serialise")
}

fn app_containers(pod: &Value) -> String {
    let names: Vec<&str> = containers(pod)
        .filter_map(|container| container["name"].as_str())
        .filter(|name| *name != "istio-proxy")
        .collect();
    names.join(",")
}
