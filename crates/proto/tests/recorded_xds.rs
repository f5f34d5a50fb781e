//! Reads every recorded resource of a real control plane, if the recordings are at hand, and writes
//! it again: nothing may be lost or changed.
//!
//! The folder is `$FERROMESH_CONFORMANCE`, else `../shared/conformance` beside the workspace.

use std::path::{Path, PathBuf};

use ferromesh_proto::json::{FieldNames, encoded_from_json, encoded_to_json};
use ferromesh_proto::{any, google};
use serde_json::Value;

const KINDS: [(&str, &str); 4] = [
    ("clusters", "envoy.config.cluster.v3.Cluster"),
    (
        "endpoints",
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
    ),
    ("listeners", "envoy.config.listener.v3.Listener"),
    ("routes", "envoy.config.route.v3.RouteConfiguration"),
];

fn captures() -> Vec<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("FERROMESH_CONFORMANCE").map_or_else(beside, PathBuf::from);
    let Ok(folder) = std::fs::read_dir(root.join("xds/base")) else {
        return Vec::new();
    };
    let paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| path.file_name().is_some_and(|name| name != "nodes.json"))
        .collect()
}

#[test]
fn every_recorded_resource_is_read_and_written_without_loss() {
    for path in captures() {
        let text = std::fs::read_to_string(&path).expect("a capture");
        let capture: Value = serde_json::from_str(&text).expect("JSON");
        for (kind, message) in KINDS {
            let resources = capture[kind].as_array().expect("a list");
            for recorded in resources {
                let encoded = encoded_from_json(message, recorded)
                    .unwrap_or_else(|error| panic!("{}: {kind}: {error}", path.display()));
                let written = encoded_to_json(message, &encoded, FieldNames::Camel);
                let written = written.expect("just encoded");
                let (ours, theirs) = (plain(&written), plain(recorded));
                assert_eq!(ours, theirs, "{}: {kind}", path.display());
                unfold(recorded);
            }
        }
    }
}

/// With every number as a float: 1 and 1.0 mean the same.
fn plain(json: &Value) -> Value {
    match json {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(object) => {
            let fields = object.iter();
            Value::Object(
                fields
                    .map(|(key, value)| (key.clone(), plain(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// Every `TypedStruct` inside stands for a message that can be decoded.
fn unfold(json: &Value) {
    match json {
        Value::Array(items) => items.iter().for_each(unfold),
        Value::Object(object) => {
            let url = object
                .get("@type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if url.ends_with(".TypedStruct") {
                let encoded = encoded_from_json("google.protobuf.Any", json).expect("an Any");
                let packed: google::protobuf::Any =
                    prost::Message::decode(encoded.as_slice()).expect("an Any");
                let inner = any::resolve(&packed).expect("a known message");
                assert!(!inner.type_url.ends_with(".TypedStruct"));
            }
            object.values().for_each(unfold);
        }
        _ => {}
    }
}
