//! Against recordings of Istio's control plane: same input, same meaning.
//!
//! The recordings are not part of the repository; `FERROMESH_CONFORMANCE` or `../shared/conformance`
//! beside the workspace names their folder. Without them there is nothing to compare with.

mod mesh;

use std::path::{Path, PathBuf};

use ferromesh_simulate::recording::{RecordedCase, Recording, keyed};
use serde_json::{Map, Value};

/// Cases whose objects this version gives their whole effect.
const CASES: &[&str] = &[
    "dr-failover-priority",
    "dr-hash-algorithms",
    "dr-hash-keys",
    "dr-lb-simple",
    "dr-locality-default",
    "dr-locality-distribute",
    "dr-locality-failover",
    "dr-merge",
    "dr-pool-tcp",
    "dr-port-level",
    "dr-proxy-protocol",
    "dr-retry-budget",
    "dr-subsets",
    "dr-tls-credential",
    "dr-tls-modes",
    "dr-tunnel",
    "dr-warmup",
    "gw-auto-passthrough",
    "gw-both-mesh",
    "gw-http",
    "gw-https-redirect",
    "gw-merge-virtualservices",
    "gw-no-route",
    "gw-tcp",
    "gw-tls-files",
    "gw-tls-mutual",
    "gw-tls-passthrough",
    "gw-tls-simple",
    "pa-disable-workload",
    "pa-port-level",
    "pa-strict-mesh",
    "proxy-tproxy",
    "se-dns-round-robin",
    "se-dynamic-dns",
    "se-static",
    "se-tls-port",
    "sidecar-egress-hosts",
    "sidecar-egress-port",
    "sidecar-egress-proxy",
    "sidecar-ingress",
    "sidecar-registry-only",
    "sidecar-root-default",
    "vs-export-to",
    "vs-fault",
    "vs-headers",
    "vs-headless",
    "vs-match-request-line",
    "vs-match-source",
    "vs-multi-host",
    "vs-redirect",
    "vs-rewrite",
    "vs-tcp-weights",
    "vs-tls-sni",
    "vs-wildcard-host",
];

/// Differences that are meant, by the beginning of their line, and why.
const EXPLAINED: &[(&str, &str)] = &[
    (
        "dr-tls-credential webapp clusters outbound|8200||vault",
        "D25: a credential that a sidecar may not read never switches automatic mutual TLS off",
    ),
    (
        "dr-port-level webapp endpoints outbound|9090|v2|webapp",
        "the cluster has no TLS, so the metadata of its endpoints chooses nothing",
    ),
    (
        "gw-auto-passthrough ingress endpoints outbound_.80_._.billing",
        "a place without endpoints says nothing",
    ),
    (
        "dr-proxy-protocol webapp clusters outbound|80||stockroom",
        "the name of a plaintext transport socket",
    ),
    (
        "se-tls-port webapp listeners 203.0.113.90_27017",
        "MongoDB is forwarded as bytes, without the statistics of Envoy's filter",
    ),
];

fn recordings() -> Option<Recording> {
    let root = match std::env::var_os("FERROMESH_CONFORMANCE") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let folder = root.join("xds");
    folder
        .is_dir()
        .then(|| Recording::open(&folder).expect("recordings are readable"))
}

/// What the proxy gets from us.
fn ours(recording: &Recording, case: Option<&RecordedCase>, proxy: &str) -> Value {
    let input = recording.mesh(case).expect("recordings are readable");
    assert!(input.problems().is_empty(), "{:?}", input.problems());
    let snapshot = input.snapshot();
    let view = snapshot.view_of(&mesh::proxy(&recording.node(case, proxy)));
    mesh::capture(&snapshot, &view).json()
}

#[test]
fn the_base_environment_gives_what_istio_gives_a_stock_envoy() {
    let Some(recording) = recordings() else {
        return;
    };
    let mut differences = Vec::new();
    for proxy in recording.proxies() {
        let recorded = recording.base(proxy, true).expect("a readable recording");
        let ours = ours(&recording, None, proxy);
        compare(proxy, ours, recorded, &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_supported_cases_give_what_istio_gives() {
    let Some(recording) = recordings() else {
        return;
    };
    let only = std::env::var("FERROMESH_CASE").ok();
    let mut differences = Vec::new();
    for case in recording.cases().expect("recordings are readable") {
        let unwanted = only.as_deref().is_some_and(|only| only != case.name);
        if unwanted || !CASES.contains(&case.name.as_str()) {
            continue;
        }
        for proxy in case.proxies() {
            let recorded = recording.state(&case, proxy).expect("a readable recording");
            let ours = ours(&recording, Some(&case), proxy);
            let what = format!("{} {proxy}", case.name);
            compare(&what, ours, recorded, &mut differences);
        }
    }
    differences.retain(|line| !EXPLAINED.iter().any(|(begin, _)| line.starts_with(begin)));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn compare(what: &str, ours: Value, recorded: Value, differences: &mut Vec<String>) {
    for (kind, key) in [
        ("clusters", "name"),
        ("endpoints", "clusterName"),
        ("listeners", "name"),
        ("routes", "name"),
    ] {
        let ours = keyed(&ours[kind], key);
        let recorded = keyed(&recorded[kind], key);
        for name in recorded.keys().filter(|name| !ours.contains_key(*name)) {
            differences.push(format!("{what} {kind}: {name} is missing"));
        }
        for (name, mine) in ours {
            let Some(theirs) = recorded.get(&name) else {
                differences.push(format!("{what} {kind}: {name} is too much"));
                continue;
            };
            let path = format!("{what} {kind} {name}");
            diff(&path, &normal(mine), &normal(theirs.clone()), differences);
        }
    }
    if recorded["names"]
        .as_object()
        .is_some_and(|names| !names.is_empty())
    {
        diff(
            &format!("{what} names"),
            &ours["names"],
            &recorded["names"],
            differences,
        );
    }
}

/// What remains when everything without meaning for traffic is taken away.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(normal_fields(fields)),
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .filter(|item| {
                    !item["name"]
                        .as_str()
                        .is_some_and(|name| name.starts_with("istio."))
                })
                .map(normal)
                .collect(),
        ),
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other => other,
    }
}

/// Names for statistics and tracing, Istio's own metadata, protocol names that only Istio's filter
/// reads, and what our decisions add.
const WITHOUT_MEANING: &[&str] = &[
    "altStatName",
    "statPrefix",
    "decorator",
    "tracing",
    "alpnProtocols",
    "alwaysEjectOneHost",
    "runtimeKey",
];

fn normal_fields(fields: Map<String, Value>) -> Map<String, Value> {
    let is_cluster = fields.contains_key("connectTimeout");
    let is_chain = fields.contains_key("filters") && !is_cluster;
    let mut kept = Map::new();
    for (key, value) in fields {
        let drop = WITHOUT_MEANING.contains(&key.as_str())
            || (is_chain && key == "name")
            || (is_cluster && key == "filters")
            || (key == "healthStatus" && value == "HEALTHY");
        if drop {
            continue;
        }
        let mut value = normal(value);
        if key == "filterMetadata" {
            value
                .as_object_mut()
                .map(|metadata| metadata.remove("istio"));
        }
        if matches!(
            key.as_str(),
            "domains" | "virtualHosts" | "lbEndpoints" | "filterChains" | "applicationProtocols"
        ) {
            sort(&mut value);
        }
        let empty = value.as_object().is_some_and(Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_str() == Some("");
        if !empty {
            kept.insert(key, value);
        }
    }
    kept
}

fn sort(value: &mut Value) {
    if let Value::Array(items) = value {
        items.sort_by_key(ToString::to_string);
    }
}

fn diff(path: &str, ours: &Value, recorded: &Value, differences: &mut Vec<String>) {
    match (ours, recorded) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let none = Value::Null;
                let (x, y) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                diff(&format!("{path}.{key}"), x, y, differences);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (x, y)) in a.iter().zip(b).enumerate() {
                diff(&format!("{path}[{at}]"), x, y, differences);
            }
        }
        (a, b) if a == b => {}
        (a, b) => {
            let short = |value: &Value| value.to_string().chars().take(300).collect::<String>();
            differences.push(format!("{path}: ours {} recorded {}", short(a), short(b)));
        }
    }
}
