//! Runs the recorded bootstrap cases, if they are at hand, and compares by meaning: both documents
//! are read into the same message first.
//!
//! The folder is `$FERROMESH_CONFORMANCE`, else `../shared/conformance` beside the workspace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ferromesh_agent::bootstrap::{BootstrapSettings, generate};
use ferromesh_agent::node::NodeSettings;
use ferromesh_agent::settings::ProxyConfig;
use ferromesh_proto::envoy::config::bootstrap::v3::Bootstrap;
use ferromesh_proto::json;
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("FERROMESH_CONFORMANCE").map_or_else(beside, PathBuf::from);
    let set = root.join("bootstrap");
    set.is_dir().then_some(set)
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a file of the set");
    serde_json::from_str(&text).expect("JSON")
}

fn texts(object: &Value) -> BTreeMap<String, String> {
    let pairs = object.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| Some(item.as_str()?.to_owned()))
        .collect()
}

fn settings(case: &Value, shared: &Value, config_path: &str) -> BootstrapSettings {
    let mut config = ProxyConfig::exactly(&case["proxyConfig"]);
    config.set("configPath", config_path);
    config.set("customConfigFile", shared["customConfigFile"].clone());
    let mut environment = texts(&case["env"]);
    if case["annotations"]
        .as_object()
        .is_some_and(|notes| !notes.is_empty())
    {
        let annotations = case["annotations"].to_string();
        environment.insert("ISTIO_METAJSON_ANNOTATIONS".to_owned(), annotations);
    }
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let text = |key: &str| shared[key].as_str().unwrap_or_default().to_owned();
    let addresses = strings(&shared["instanceIPs"]);
    BootstrapSettings {
        node: NodeSettings {
            id: text("nodeId"),
            proxy_config: config,
            environment,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            instance_ips: addresses
                .iter()
                .map(|ip| ip.parse().expect("an address"))
                .collect(),
            pilot_names: strings(&shared["pilotSubjectAltNames"]),
            outlier_log_path: text("outlierLogPath"),
            prometheus_port: port(&shared["envoyPrometheusPort"]).unwrap_or_default(),
            readiness_port: port(&shared["envoyStatusPort"]).unwrap_or_default(),
            secure_metrics_port: port(&case["settings"]["secureMetricsPort"]).unwrap_or_default(),
            secure_merged_metrics_port: port(&case["settings"]["secureMergedMetricsPort"])
                .unwrap_or_default(),
            workload_socket_file: text("workloadIdentitySocketFile"),
            istio_version: text("version"),
        },
        xds_socket: "/tmp/XDS".into(),
        files: "/test-path".into(),
        delta: true,
        log_as_json: false,
        exit_on_zero_connections: false,
    }
}

#[test]
fn every_recorded_bootstrap_is_generated_with_the_same_meaning() {
    let Some(set) = folder() else {
        return;
    };
    let shared = read(&set.join("environment.json"));
    let mut cases = 0;
    for entry in std::fs::read_dir(&set).expect("a folder") {
        let path = entry.expect("an entry").path();
        if !path.is_dir() {
            continue;
        }
        let case = read(&path.join("case.json"));
        let expected = read(&path.join(case["expected"].as_str().expect("a file name")));
        let recorded = expected.pointer("/node/metadata/PROXY_CONFIG/configPath");
        let config_path = recorded.and_then(Value::as_str).unwrap_or_default();
        let generated = generate(&settings(&case, &shared, config_path));
        let ours: Bootstrap = json::message_from_json(&generated.document).expect("a bootstrap");
        let mut theirs: Bootstrap = json::message_from_json(&expected).expect("a bootstrap");
        if case["compareLocality"] != true {
            let node = theirs.node.as_mut().expect("given");
            node.locality = ours.node.as_ref().expect("given").locality.clone();
        }
        similar(&path, &ours, &theirs);
        assert_eq!(
            case["writesAccessTokenFile"] == true,
            !generated.files.is_empty()
        );
        cases += 1;
    }
    assert!(cases > 0, "the set has no cases");
}

fn similar(case: &Path, ours: &Bootstrap, theirs: &Bootstrap) {
    let [ours, theirs] =
        [ours, theirs].map(|document| json::message_to_json(document).expect("JSON"));
    let keys = ours
        .as_object()
        .into_iter()
        .flatten()
        .chain(theirs.as_object().into_iter().flatten());
    for (key, _) in keys {
        assert_eq!(ours[key], theirs[key], "{}: {key}", case.display());
    }
}
