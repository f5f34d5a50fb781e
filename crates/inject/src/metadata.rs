//! Labels and annotations of an injected pod.

use serde_json::{Map, Value, json};

use crate::pod::Context;

/// Kubernetes allows label values of this length.
const LONGEST_LABEL: usize = 63;

pub(crate) fn add(pod: &mut Value, context: &Context<'_>, initial: &[&str], running: &[&str]) {
    let labels = object(pod, "labels");
    let first = |labels: &Map<String, Value>, keys: [&str; 2]| {
        keys.iter()
            .find_map(|key| labels.get(*key)?.as_str().map(str::to_owned))
    };
    let name = first(labels, ["app.kubernetes.io/name", "app"])
        .or_else(|| context.owner.map(|owner| owner.name.clone()))
        .unwrap_or_else(|| context.pod_name.clone());
    let revision = first(labels, ["app.kubernetes.io/version", "version"])
        .unwrap_or_else(|| "latest".to_owned());
    let mut label = |key: &str, value: String| {
        labels.entry(key).or_insert_with(|| json!(value));
    };
    label("service.istio.io/canonical-name", shortened(&name));
    label("service.istio.io/canonical-revision", revision);

    let app = context.first_container.clone();
    let revision = &context.settings.revision;
    let status = json!({
        "initContainers": initial,
        "containers": if running.is_empty() { Value::Null } else { json!(running) },
        "volumes": crate::volumes::volumes().iter().map(|v| v["name"].clone()).collect::<Vec<_>>(),
        "imagePullSecrets": null,
        "revision": revision,
    });
    let merged = context.merged_metrics;
    let status_port = context.status_port.to_string();
    let annotations = object(pod, "annotations");
    for key in [
        "kubectl.kubernetes.io/default-container",
        "kubectl.kubernetes.io/default-logs-container",
    ] {
        annotations.entry(key).or_insert_with(|| json!(app));
    }
    annotations
        .entry("istio.io/rev")
        .or_insert_with(|| json!(revision));
    annotations.insert(
        "sidecar.istio.io/status".to_owned(),
        json!(status.to_string()),
    );
    if merged {
        annotations.insert("prometheus.io/scrape".to_owned(), json!("true"));
        annotations.insert("prometheus.io/port".to_owned(), json!(status_port));
        annotations.insert("prometheus.io/path".to_owned(), json!("/stats/prometheus"));
    }
}

/// Says that the pod's ports take mutual TLS of the mesh. A gateway's ports take what its servers
/// say, so it has no such label.
pub(crate) fn takes_mutual_tls(pod: &mut Value) {
    object(pod, "labels")
        .entry("security.istio.io/tlsMode")
        .or_insert_with(|| json!("istio"));
}

/// The application's own scrape annotations, for the status server to merge.
pub(crate) fn prometheus(pod: &Value) -> Option<String> {
    let notes = pod.pointer("/metadata/annotations")?;
    let text = |key: &str| notes.get(key).and_then(Value::as_str);
    let scrape = text("prometheus.io/scrape")?;
    let path = text("prometheus.io/path").unwrap_or_default();
    let port = text("prometheus.io/port").unwrap_or_default();
    Some(json!({"scrape": scrape, "path": path, "port": port}).to_string())
}

fn shortened(name: &str) -> String {
    let cut: String = name.chars().take(LONGEST_LABEL).collect();
    cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}

fn object<'a>(pod: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let slot = &mut pod["metadata"][field];
    if !slot.is_object() {
        *slot = json!({});
    }
    slot.as_object_mut().expect("just made an object")
}
