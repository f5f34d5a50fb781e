//! The node's metadata.

use serde_json::{Map, Value, json};

use super::NodeSettings;

const TEXT_PREFIX: &str = "ISTIO_META_";
const JSON_PREFIX: &str = "ISTIO_METAJSON_";
pub(super) const LOCALITY_LABEL: &str = "istio-locality";

/// Keys whose value is a number in JSON.
const NUMBERS: [&str; 4] = [
    "ENVOY_PROMETHEUS_PORT",
    "ENVOY_STATUS_PORT",
    "ENVOY_SECURE_METRICS_PORT",
    "ENVOY_SECURE_MERGED_METRICS_PORT",
];

pub(super) fn build(settings: &NodeSettings) -> Map<String, Value> {
    let mut metadata = Map::new();
    from_environment(settings, &mut metadata);
    identity(settings, &mut metadata);
    labels_and_annotations(settings, &mut metadata);
    ports(settings, &mut metadata);
    let joined = joined_addresses(settings);
    if !joined.is_empty() {
        metadata.insert("INSTANCE_IPS".to_owned(), json!(joined));
    }
    // Peers are learned by asking the control plane only where tunnels hide their addresses.
    let tunnels = metadata.get("ENABLE_HBONE").cloned();
    metadata
        .entry("METADATA_DISCOVERY")
        .or_insert_with(|| tunnels.unwrap_or_else(|| json!("false")));
    let mut default = |key: &str, value: Value| {
        metadata.entry(key).or_insert(value);
    };
    default("ISTIO_VERSION", json!(settings.istio_version));
    default("OUTLIER_LOG_PATH", json!(settings.outlier_log_path));
    default(
        "WORKLOAD_IDENTITY_SOCKET_FILE",
        json!(settings.workload_socket_file),
    );
    default("PILOT_SAN", json!(settings.pilot_names));
    default("PROXY_CONFIG", settings.proxy_config.to_json());
    metadata.retain(|_, value| !matches!(value, Value::String(text) if text.is_empty()));
    metadata
}

fn from_environment(settings: &NodeSettings, metadata: &mut Map<String, Value>) {
    for (name, value) in &settings.environment {
        if let Some(key) = name.strip_prefix(TEXT_PREFIX) {
            let number = NUMBERS
                .contains(&key)
                .then(|| value.parse::<u16>().ok())
                .flatten();
            let value = number.map_or_else(|| json!(value), |number| json!(number));
            metadata.insert(key.to_owned(), value);
        } else if let Some(key) = name.strip_prefix(JSON_PREFIX)
            && let Ok(parsed) = serde_json::from_str::<Value>(value)
        {
            // The entries of such an object are told twice: under its key and by themselves.
            metadata.extend(parsed.as_object().cloned().into_iter().flatten());
            metadata.insert(key.to_owned(), parsed);
        }
    }
}

fn identity(settings: &NodeSettings, metadata: &mut Map<String, Value>) {
    for (key, variable) in [
        ("NAME", "POD_NAME"),
        ("NAMESPACE", "POD_NAMESPACE"),
        ("SERVICE_ACCOUNT", "SERVICE_ACCOUNT"),
    ] {
        if let Some(value) = settings.environment.get(variable) {
            metadata.insert(key.to_owned(), json!(value));
        }
    }
}

fn labels_and_annotations(settings: &NodeSettings, metadata: &mut Map<String, Value>) {
    let mut labels = metadata.remove("LABELS").unwrap_or_else(|| json!({}));
    if let Some(Value::String(locality)) = labels.get_mut(LOCALITY_LABEL)
        && !locality.contains('/')
    {
        *locality = locality.replace('.', "/");
    }
    if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        metadata.insert("STATIC_LABELS".to_owned(), labels.clone());
    }
    merge(metadata, "LABELS", labels, &settings.labels);
    let annotations = metadata.remove("ANNOTATIONS").unwrap_or_else(|| json!({}));
    merge(metadata, "ANNOTATIONS", annotations, &settings.annotations);
}

fn merge(
    metadata: &mut Map<String, Value>,
    key: &str,
    mut base: Value,
    over: &std::collections::BTreeMap<String, String>,
) {
    let Some(object) = base.as_object_mut() else {
        return;
    };
    object.extend(over.iter().map(|(key, value)| (key.clone(), json!(value))));
    if !object.is_empty() {
        metadata.insert(key.to_owned(), base);
    }
}

fn ports(settings: &NodeSettings, metadata: &mut Map<String, Value>) {
    let mut port = |key: &str, port: u16| {
        if port != 0 {
            metadata.entry(key).or_insert_with(|| json!(port));
        }
    };
    port("ENVOY_PROMETHEUS_PORT", settings.prometheus_port);
    port("ENVOY_STATUS_PORT", settings.readiness_port);
    port("ENVOY_SECURE_METRICS_PORT", settings.secure_metrics_port);
    port(
        "ENVOY_SECURE_MERGED_METRICS_PORT",
        settings.secure_merged_metrics_port,
    );
}

fn joined_addresses(settings: &NodeSettings) -> String {
    let mut seen = Vec::new();
    for address in &settings.instance_ips {
        let text = address.to_string();
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen.join(",")
}
