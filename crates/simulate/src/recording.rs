//! What another control plane sent, recorded: an environment, and cases that differ from it.
//!
//! ```text
//! base/kube.yaml mesh.yaml nodes.json PROXY.json   the environment and what each proxy got
//! cases/NAME/config.yaml mesh.yaml case.json       what a case adds (the first two may be missing)
//! cases/NAME/PROXY.json                            what changed for the proxy; missing for nothing
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;
use thiserror::Error;

use crate::mesh::Mesh;

/// The lists of a state, with the field that names their items.
pub const KINDS: &[(&str, &str)] = &[
    ("clusters", "name"),
    ("endpoints", "clusterName"),
    ("listeners", "name"),
    ("routes", "name"),
    ("extensions", "name"),
];

/// A recording that cannot be read.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no JSON.
    #[error("{}: {source}", path.display())]
    Json {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// A folder of recordings.
#[derive(Clone, Debug)]
pub struct Recording {
    folder: PathBuf,
    nodes: Value,
}

/// One case.
#[derive(Clone, Debug)]
pub struct RecordedCase {
    /// Its name.
    pub name: String,
    folder: PathBuf,
    about: Value,
}

impl RecordedCase {
    /// The proxies whose state was recorded.
    pub fn proxies(&self) -> Vec<&str> {
        let list = self.about["proxies"].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect()
    }
}

impl Recording {
    /// Opens a folder.
    pub fn open(folder: &Path) -> Result<Self, RecordingError> {
        Ok(Self {
            folder: folder.to_owned(),
            nodes: json(&folder.join("base/nodes.json"))?,
        })
    }

    /// The names of the proxies of the environment.
    pub fn proxies(&self) -> Vec<&str> {
        let nodes = self.nodes.as_object().into_iter().flatten();
        nodes.map(|(name, _)| name.as_str()).collect()
    }

    /// All cases by name.
    pub fn cases(&self) -> Result<Vec<RecordedCase>, RecordingError> {
        let path = self.folder.join("cases");
        let failed = |source| RecordingError::File {
            path: path.clone(),
            source,
        };
        let mut cases = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            cases.push(RecordedCase {
                name: entry.file_name().to_string_lossy().into_owned(),
                about: json(&entry.path().join("case.json"))?,
                folder: entry.path(),
            });
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    /// The node by which a proxy introduced itself.
    pub fn node(&self, case: Option<&RecordedCase>, proxy: &str) -> Value {
        let mut node = self.nodes[proxy].clone();
        if let Some(case) = case {
            merge(&mut node, &case.about["nodePatch"][proxy]);
        }
        node
    }

    /// The input: the environment and what the case adds to it.
    pub fn mesh(&self, case: Option<&RecordedCase>) -> Result<Mesh, RecordingError> {
        let base = self.folder.join("base");
        let mut mesh = Mesh::new();
        mesh.add(&ready(&text(&base.join("kube.yaml"))?), "kube.yaml");
        let mut config = text(&base.join("mesh.yaml"))?;
        if let Some(case) = case {
            if let Some(objects) = text_of(&case.folder.join("config.yaml"))? {
                mesh.add(&objects, "config.yaml");
            }
            config.extend(text_of(&case.folder.join("mesh.yaml"))?);
        }
        mesh.configure(&config);
        Ok(mesh)
    }

    /// What a proxy got in the environment. `stock` is what the control plane sends when it is set
    /// up for a stock Envoy.
    pub fn base(&self, proxy: &str, stock: bool) -> Result<Value, RecordingError> {
        let kind = if stock { "-stock" } else { "" };
        json(&self.folder.join(format!("base/{proxy}{kind}.json")))
    }

    /// What a proxy got in a case: the environment's state with the differences laid over it.
    pub fn state(&self, case: &RecordedCase, proxy: &str) -> Result<Value, RecordingError> {
        let mut state = self.base(proxy, false)?;
        let path = case.folder.join(format!("{proxy}.json"));
        if path.is_file() {
            lay_over(&mut state, &json(&path)?);
        }
        Ok(state)
    }
}

fn lay_over(state: &mut Value, difference: &Value) {
    for (kind, key) in KINDS {
        let mut by_name = keyed(&state[kind], key);
        for name in names(&difference[kind]["removed"]) {
            by_name.remove(name);
        }
        by_name.extend(keyed(&difference[kind]["changed"], key));
        state[kind] = by_name.into_values().collect();
    }
    if let Some(hosts) = state["names"].as_object_mut() {
        for name in names(&difference["names"]["removed"]) {
            hosts.remove(name);
        }
        if let Some(changed) = difference["names"]["changed"].as_object() {
            hosts.extend(changed.clone());
        }
    }
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str)
}

/// The items of a list by the field that names them.
pub fn keyed(list: &Value, key: &str) -> BTreeMap<String, Value> {
    let items = list.as_array().into_iter().flatten();
    items
        .map(|item| {
            let name = item[key].as_str().unwrap_or_default();
            (name.to_owned(), item.clone())
        })
        .collect()
}

/// Gives the pods of a recording the readiness that they had: the file leaves out all of their
/// status but the address.
fn ready(kube: &str) -> String {
    const READY: &str =
        "\n  phase: Running\n  conditions: [{type: Ready, status: 'True'}]\n  podIP:";
    kube.replace("\n  podIP:", READY)
}

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, patch) => *into = patch.clone(),
    }
}

fn text(path: &Path) -> Result<String, RecordingError> {
    fs::read_to_string(path).map_err(|source| RecordingError::File {
        path: path.to_owned(),
        source,
    })
}

fn text_of(path: &Path) -> Result<Option<String>, RecordingError> {
    if path.is_file() {
        text(path).map(Some)
    } else {
        Ok(None)
    }
}

fn json(path: &Path) -> Result<Value, RecordingError> {
    serde_json::from_str(&text(path)?).map_err(|source| RecordingError::Json {
        path: path.to_owned(),
        source,
    })
}
