//! Telling the control plane: one file per object in the status directory.
//!
//! Files are complete before they appear under their name. What has not changed is not written, so
//! that the control plane sees only real changes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::Value;

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path} for the control plane: {source}")]
pub(super) struct StatusWriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes and removes objects.
#[derive(Debug)]
pub(super) struct StatusDir {
    dir: PathBuf,
    written: HashMap<String, String>,
}

impl StatusDir {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            written: HashMap::new(),
        }
    }

    /// Makes the directory hold exactly `objects`.
    pub(super) fn sync(&mut self, objects: &[Value]) -> Result<(), StatusWriteError> {
        let mut wanted = HashMap::with_capacity(objects.len());
        for object in objects {
            wanted.insert(file_name(object), object.to_string());
        }
        let gone: Vec<_> = self
            .written
            .keys()
            .filter(|name| !wanted.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            let path = self.dir.join(&name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StatusWriteError { path, source });
                }
                _ => {}
            }
            self.written.remove(&name);
        }
        for (name, text) in wanted {
            if self.written.get(&name) != Some(&text) {
                self.write(&name, &text)?;
                self.written.insert(name, text);
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), StatusWriteError> {
        let path = self.dir.join(name);
        let temporary = self.dir.join(format!(".{name}.new"));
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|source| StatusWriteError { path, source })
    }
}

/// `kind_namespace_name.json`: neither part may hold `_` or `/` in Kubernetes.
fn file_name(object: &Value) -> String {
    let part = |pointer: &str| {
        let text = object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default();
        text.replace('/', "_")
    };
    let kind = part("/kind").to_ascii_lowercase();
    format!(
        "{kind}_{}_{}.json",
        part("/metadata/namespace"),
        part("/metadata/name")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_directory_holds_exactly_the_wanted_objects() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut status = StatusDir::new(dir.path().to_owned());
        let pod = |name: &str, phase: &str| {
            json!({"kind": "Pod", "metadata": {"name": name, "namespace": "n"},
                   "status": {"phase": phase}})
        };
        status
            .sync(&[pod("a", "Pending"), pod("b", "Pending")])
            .expect("written");
        status.sync(&[pod("a", "Running")]).expect("written");
        let names: Vec<_> = fs::read_dir(dir.path())
            .expect("readable")
            .flatten()
            .map(|entry| entry.file_name().into_string().expect("plain text"))
            .collect();
        assert_eq!(names, ["pod_n_a.json"]);
        let text = fs::read_to_string(dir.path().join("pod_n_a.json")).expect("readable");
        assert!(text.contains("Running"), "{text}");
    }
}
