//! Set `bootstrap`: a proxy's settings to the bootstrap of a stock Envoy. Both documents are read
//! into the same message first, so that spelled-out defaults and key order do not count.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use ferromesh_agent::bootstrap::{BootstrapSettings, generate};
use ferromesh_agent::node::NodeSettings;
use ferromesh_agent::settings::ProxyConfig;
use ferromesh_proto::envoy::config::bootstrap::v3::Bootstrap;
use ferromesh_proto::json;
use serde_json::Value;

use super::{Case, case_folders, differences, read_json};

pub fn run(set: &Path) -> anyhow::Result<Vec<Case>> {
    let shared = read_json(&set.join("environment.json"))?;
    let mut cases = Vec::new();
    for (name, folder) in case_folders(set)? {
        let differences = compare(&folder, &shared).with_context(|| format!("case {name}"))?;
        cases.push(Case { name, differences });
    }
    Ok(cases)
}

fn compare(folder: &Path, shared: &Value) -> anyhow::Result<Vec<String>> {
    let case = read_json(&folder.join("case.json"))?;
    let expected = read_json(&folder.join(case["expected"].as_str().context("no expected")?))?;
    let recorded = expected.pointer("/node/metadata/PROXY_CONFIG/configPath");
    let config_path = recorded.and_then(Value::as_str).unwrap_or_default();
    let generated = generate(&settings(&case, shared, config_path)?);
    let ours: Bootstrap = json::message_from_json(&generated.document)?;
    let mut theirs: Bootstrap = json::message_from_json(&expected)?;
    if case["compareLocality"] != true
        && let (Some(theirs), Some(ours)) = (&mut theirs.node, &ours.node)
    {
        theirs.locality = ours.locality.clone();
    }
    let mut list = differences(
        &json::message_to_json(&theirs)?,
        &json::message_to_json(&ours)?,
    );
    let writes_token = case["writesAccessTokenFile"] == true;
    if writes_token == generated.files.is_empty() {
        list.push(format!("writes a token file: expected {writes_token}"));
    }
    Ok(list)
}

fn settings(case: &Value, shared: &Value, config_path: &str) -> anyhow::Result<BootstrapSettings> {
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
    let shared_port = |key: &str| port(&shared[key]).unwrap_or_default();
    let own_port = |key: &str| port(&case["settings"][key]).unwrap_or_default();
    let text = |key: &str| shared[key].as_str().unwrap_or_default().to_owned();
    let addresses = strings(&shared["instanceIPs"]);
    let node = NodeSettings {
        id: text("nodeId"),
        proxy_config: config,
        environment,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        instance_ips: addresses
            .iter()
            .map(|ip| ip.parse())
            .collect::<Result<_, _>>()?,
        pilot_names: strings(&shared["pilotSubjectAltNames"]),
        outlier_log_path: text("outlierLogPath"),
        prometheus_port: shared_port("envoyPrometheusPort"),
        readiness_port: shared_port("envoyStatusPort"),
        secure_metrics_port: own_port("secureMetricsPort"),
        secure_merged_metrics_port: own_port("secureMergedMetricsPort"),
        workload_socket_file: text("workloadIdentitySocketFile"),
        istio_version: text("version"),
    };
    Ok(BootstrapSettings {
        node,
        xds_socket: "/tmp/XDS".into(),
        files: "/test-path".into(),
        delta: true,
        log_as_json: false,
        exit_on_zero_connections: false,
    })
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
