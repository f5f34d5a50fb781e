//! A stock Envoy accepts what is generated: its own validation of a static bootstrap made from it.
//!
//! `FERROMESH_ENVOY` names the binary; without it there is nothing to ask. Route tables and
//! endpoints are put in place, secrets are pointed at the agent's cluster, since a static bootstrap
//! knows no aggregated stream.

mod mesh;

use std::path::Path;
use std::process::Command;

use ferromesh_simulate::recording::Recording;
use serde_json::{Value, json};

#[test]
fn a_stock_envoy_accepts_every_golden_case() {
    let Some(envoy) = std::env::var_os("FERROMESH_ENVOY") else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let scratch = tempfile::tempdir().expect("a folder for bootstraps");
    for case in std::fs::read_dir(&folder).expect("the folder of golden cases") {
        let case = case.expect("a readable folder").path();
        let read =
            |name: &str| std::fs::read_to_string(case.join(name)).expect("a file of the case");
        let snapshot = mesh::snapshot(&mesh::objects(&read("input.yaml"), "input.yaml"));
        let proxies: Value = serde_json::from_str(&read("proxies.json")).expect("nodes by name");
        for (name, node) in proxies.as_object().expect("nodes by name") {
            let view = snapshot.view_of(&mesh::proxy(node));
            let state = mesh::capture(&snapshot, &view).json();
            validate(&envoy, scratch.path(), name, &state);
        }
    }
}

#[test]
fn a_stock_envoy_accepts_the_recorded_inputs() {
    let (Some(envoy), Some(recordings)) = (
        std::env::var_os("FERROMESH_ENVOY"),
        std::env::var_os("FERROMESH_CONFORMANCE"),
    ) else {
        return;
    };
    let recording = Recording::open(&Path::new(&recordings).join("xds"));
    let recording = recording.expect("recordings are readable");
    let scratch = tempfile::tempdir().expect("a folder for bootstraps");
    for case in recording.cases().expect("recordings are readable") {
        let input = recording.mesh(Some(&case)).expect("a readable recording");
        let snapshot = input.snapshot();
        for name in ["webapp", "catalog", "ingress"] {
            let view = snapshot.view_of(&mesh::proxy(&recording.node(None, name)));
            let state = mesh::capture(&snapshot, &view).json();
            let what = format!("{}-{name}", case.name);
            validate(&envoy, scratch.path(), &what, &state);
        }
    }
}

fn validate(envoy: &std::ffi::OsStr, scratch: &Path, name: &str, state: &Value) {
    let file = scratch.join(format!("{name}.json"));
    std::fs::write(&file, bootstrap(state).to_string()).expect("a writable folder");
    let output = Command::new(envoy)
        .args(["--mode", "validate", "-l", "error", "-c"])
        .arg(&file)
        .output()
        .expect("FERROMESH_ENVOY is a program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
}

/// A bootstrap with everything in place.
fn bootstrap(state: &Value) -> Value {
    let pipe = |name: &str| {
        json!({
            "name": name,
            "type": "STATIC",
            "connectTimeout": "1s",
            "typedExtensionProtocolOptions": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicitHttpConfig": {"http2ProtocolOptions": {}}
                }
            },
            "loadAssignment": {
                "clusterName": name,
                "endpoints": [{"lbEndpoints": [{"endpoint": {"address": {"pipe": {"path": "/tmp/none"}}}}]}]
            }
        })
    };
    let mut clusters: Vec<Value> = list(&state["clusters"]);
    for cluster in &mut clusters {
        inline_endpoints(cluster, &state["endpoints"]);
        secrets_from_agent(cluster);
    }
    clusters.push(pipe("sds-grpc"));
    clusters.push(pipe("xds-grpc"));
    let mut listeners: Vec<Value> = list(&state["listeners"]);
    for listener in &mut listeners {
        inline_routes(listener, &state["routes"]);
        secrets_from_agent(listener);
    }
    json!({
        "node": {"id": "test", "cluster": "test"},
        "staticResources": {"clusters": clusters, "listeners": listeners}
    })
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn find(all: &Value, key: &str, name: &Value) -> Value {
    list(all)
        .into_iter()
        .find(|item| item[key] == *name)
        .unwrap_or(Value::Null)
}

fn inline_endpoints(cluster: &mut Value, endpoints: &Value) {
    if cluster["type"] != "EDS" {
        return;
    }
    let found = find(endpoints, "clusterName", &cluster["name"]);
    if let Some(fields) = cluster.as_object_mut() {
        fields.insert("type".to_owned(), json!("STATIC"));
        fields.remove("edsClusterConfig");
        fields.insert("loadAssignment".to_owned(), found);
    }
}

fn inline_routes(value: &mut Value, routes: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(rds) = fields.remove("rds") {
                let table = find(routes, "name", &rds["routeConfigName"]);
                fields.insert("routeConfig".to_owned(), table);
            }
            for (_, value) in fields.iter_mut() {
                inline_routes(value, routes);
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| inline_routes(item, routes)),
        _ => {}
    }
}

fn secrets_from_agent(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(source) = fields.get_mut("sdsConfig") {
                *source = json!({
                    "resourceApiVersion": "V3",
                    "apiConfigSource": {
                        "apiType": "GRPC",
                        "transportApiVersion": "V3",
                        "grpcServices": [{"envoyGrpc": {"clusterName": "sds-grpc"}}]
                    }
                });
            }
            for (_, value) in fields.iter_mut() {
                secrets_from_agent(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(secrets_from_agent),
        _ => {}
    }
}
