//! Everything that a real Istio control plane sent is accepted, or refused for a reason that names
//! the field.
//!
//! Reads the recordings in `FERROMESH_CONFORMANCE`, or in `../shared/conformance` beside the
//! workspace; without either there is nothing to check.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ferromesh_proto::envoy::config::cluster::v3::Cluster;
use ferromesh_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use ferromesh_proto::envoy::config::listener::v3::Listener;
use ferromesh_proto::envoy::config::route::v3::RouteConfiguration;
use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::{any, json, type_url};
use ferromesh_proxy::access_log::LogSinks;
use ferromesh_proxy::cluster::NameCaches;
use ferromesh_proxy::snapshot::Live;
use ferromesh_proxy::stats::Stats;
use ferromesh_proxy::xds::Compiler;
use ferromesh_tls::{Secret, SecretStore};
use ferromesh_xds::client::{NamedResource, TypeUpdate};
use serde_json::Value;

fn recordings() -> Option<PathBuf> {
    let given = std::env::var_os("FERROMESH_CONFORMANCE").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = given.unwrap_or(beside).join("xds/base");
    root.is_dir().then_some(root)
}

fn compiler() -> Compiler {
    let secrets = SecretStore::new();
    // The agent's secrets are there before config comes.
    secrets.set("default", Secret::default());
    secrets.set("ROOTCA", Secret::default());
    Compiler {
        stats: Stats::new(1),
        secrets,
        sinks: Arc::new(LogSinks::default()),
        names: NameCaches::default(),
    }
}

fn packed<M>(value: &Value) -> Any
where
    M: prost::Message + prost::Name + Default,
{
    any::pack(&json::message_from_json::<M>(value).expect("recorded JSON is a message"))
}

fn update(recording: &Value, list: &str, kind: &str) -> TypeUpdate {
    let resources = recording[list]
        .as_array()
        .expect("a list")
        .iter()
        .map(|each| {
            let (name, body) = match kind {
                type_url::CLUSTER => ("name", packed::<Cluster>(each)),
                type_url::ENDPOINT => ("clusterName", packed::<ClusterLoadAssignment>(each)),
                type_url::LISTENER => ("name", packed::<Listener>(each)),
                _ => ("name", packed::<RouteConfiguration>(each)),
            };
            NamedResource {
                name: each[name].as_str().expect("a name").to_owned(),
                version: "1".to_owned(),
                body,
            }
        });
    TypeUpdate {
        type_url: kind.to_owned(),
        version: "1".to_owned(),
        nonce: "n".to_owned(),
        resources: resources.collect(),
        removed: Vec::new(),
        full: kind == type_url::CLUSTER || kind == type_url::LISTENER,
    }
}

#[test]
fn a_recorded_control_plane_is_followed_without_a_refusal() {
    let Some(root) = recordings() else {
        return;
    };
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for proxy in ["webapp", "catalog", "ingress", "egress"] {
        for suffix in ["", "-stock"] {
            let text = std::fs::read_to_string(root.join(format!("{proxy}{suffix}.json")));
            let recording: Value = serde_json::from_str(&text.expect("a recording")).expect("JSON");
            let mut live = Live::new(compiler());
            let now = Instant::now();
            for (list, kind) in KINDS {
                let verdict = live.apply(&update(&recording, list, kind), now);
                let _ = live.subscribe();
                for refusal in verdict.refusals {
                    *refused.entry(refusal).or_default() += 1;
                }
            }
            let config = live.published().current();
            let count = |list: &str| recording[list].as_array().map_or(0, Vec::len);
            assert_eq!(config.clusters.len(), count("clusters"), "{proxy}{suffix}");
            assert_eq!(
                config.listeners.len(),
                count("listeners"),
                "{proxy}{suffix}"
            );
            assert_eq!(config.routes.len(), count("routes"), "{proxy}{suffix}");
            assert!(!live.is_waiting(), "{proxy}{suffix}");
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The kinds of resources with their lists, in the order in which they are sent.
const KINDS: [(&str, &str); 4] = [
    ("clusters", type_url::CLUSTER),
    ("endpoints", type_url::ENDPOINT),
    ("listeners", type_url::LISTENER),
    ("routes", type_url::ROUTE),
];

#[test]
fn what_a_recorded_case_brings_is_accepted_or_refused_by_field() {
    let Some(root) = recordings() else {
        return;
    };
    let cases = root.parent().expect("a folder").join("cases");
    let mut accepted = 0;
    for case in std::fs::read_dir(cases).expect("cases") {
        let case = case.expect("an entry").path();
        for proxy in ["webapp", "catalog", "ingress", "egress"] {
            let Ok(text) = std::fs::read_to_string(case.join(format!("{proxy}.json"))) else {
                continue;
            };
            let recording: Value = serde_json::from_str(&text).expect("JSON");
            let mut live = Live::new(compiler());
            for (list, kind) in KINDS {
                let changed = serde_json::json!({list: recording[list]["changed"]});
                if !changed[list].is_array() {
                    continue;
                }
                let update = update(&changed, list, kind);
                let refusals = live.apply(&update, Instant::now()).refusals;
                accepted += update.resources.len() - refusals.len();
                for refusal in refusals {
                    let named = update
                        .resources
                        .iter()
                        .any(|each| refusal.contains(&each.name));
                    // Files that a recording names are those of the machine it was made on.
                    let told =
                        refusal.ends_with("not supported") || refusal.contains("cannot be read");
                    assert!(named && told, "{}: {refusal}", case.display());
                }
            }
        }
    }
    assert!(accepted > 300, "only {accepted} resources were accepted");
}
