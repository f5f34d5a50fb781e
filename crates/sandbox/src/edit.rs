//! Editing the directory of config as `kubectl apply` and `kubectl delete` edit a cluster.
//!
//! A document that defines an object already is replaced where it stands, so that files keep their
//! order and the comments of their other documents; a new object gets a file of its own. Nothing is
//! written when any document of the input is wrong. Files are replaced by renaming.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ferromesh_config::{Object, Problem, parse_all};
use ferromesh_ingest::load_directory;
use ferromesh_types::ResourceKey;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The object.
    pub key: ResourceKey,
    /// What was done.
    pub outcome: Outcome,
    /// Where it stands, or stood.
    pub file: PathBuf,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none.
    Created,
    /// There was a different one.
    Configured,
    /// It was the same.
    Unchanged,
    /// It is gone.
    Deleted,
}

impl Outcome {
    /// The word that `kubectl` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        }
    }
}

/// Why nothing, or not all, was done.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The input is wrong.
    #[error("nothing was changed:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
    /// A file cannot be read or written.
    #[error("cannot edit {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The object is not there.
    #[error("{0} is not in {1}")]
    NotFound(ResourceKey, PathBuf),
}

/// Puts all objects of `text` into `dir`; `label` names the text in messages.
///
/// # Errors
/// When a document is wrong, or a file cannot be written.
pub fn apply(dir: &Path, text: &str, label: &str) -> Result<Vec<Edited>, EditError> {
    let mut wanted = Vec::new();
    let mut problems = Vec::new();
    for document in documents(text) {
        let parsed = parse_all(document, label);
        let alone = parsed.len() == 1;
        for object in parsed {
            match object {
                Ok(object) => {
                    // A document of several objects (a List) is taken apart.
                    let text = if alone {
                        document.to_owned()
                    } else {
                        to_yaml(&object)
                    };
                    wanted.push((object, text));
                }
                Err(rejected) => problems.extend(rejected.problems),
            }
        }
    }
    if !problems.is_empty() {
        return Err(EditError::Invalid(problems));
    }
    wanted
        .iter()
        .map(|(object, text)| put(dir, object, text))
        .collect()
}

/// Takes the object `key` out of `dir`.
///
/// # Errors
/// When it is not there, or its file cannot be written.
pub fn delete(dir: &Path, key: &ResourceKey) -> Result<Edited, EditError> {
    let place = find(dir, key).ok_or_else(|| EditError::NotFound(key.clone(), dir.to_owned()))?;
    let text = read(&place.file)?;
    let rest: Vec<_> = documents(&text)
        .into_iter()
        .filter(|document| !defines(document, key))
        .filter(|document| !document.trim().is_empty())
        .collect();
    if rest.is_empty() {
        fs::remove_file(&place.file).map_err(failed(&place.file))?;
    } else {
        write(&place.file, &rest.join("---\n"))?;
    }
    Ok(Edited {
        key: key.clone(),
        outcome: Outcome::Deleted,
        file: place.file,
    })
}

struct Place {
    file: PathBuf,
    object: std::sync::Arc<Object>,
}

fn find(dir: &Path, key: &ResourceKey) -> Option<Place> {
    let loaded = load_directory(dir);
    let object = loaded
        .objects
        .into_iter()
        .find(|object| object.key == *key)?;
    let file = PathBuf::from(object.origin.as_ref()?.file.as_str());
    Some(Place { file, object })
}

fn put(dir: &Path, object: &Object, text: &str) -> Result<Edited, EditError> {
    let key = object.key.clone();
    let Some(place) = find(dir, &key) else {
        let file = dir.join(file_name(&key));
        write(&file, text)?;
        return Ok(Edited {
            key,
            outcome: Outcome::Created,
            file,
        });
    };
    if place.object.same_content(object) {
        return Ok(Edited {
            key,
            outcome: Outcome::Unchanged,
            file: place.file,
        });
    }
    let old = read(&place.file)?;
    let replaced: Vec<String> = documents(&old)
        .into_iter()
        .filter(|document| !document.trim().is_empty())
        .map(|document| {
            with_line_end(if defines(document, &key) {
                text
            } else {
                document
            })
        })
        .collect();
    write(&place.file, &replaced.join("---\n"))?;
    Ok(Edited {
        key,
        outcome: Outcome::Configured,
        file: place.file,
    })
}

fn defines(document: &str, key: &ResourceKey) -> bool {
    parse_all(document, "")
        .into_iter()
        .any(|parsed| match parsed {
            Ok(object) => object.key == *key,
            Err(rejected) => rejected.key.as_ref() == Some(key),
        })
}

/// The documents of a file as they are written, without the lines that part them.
fn documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let ends = line.trim_end() == "---" || line.starts_with("--- ");
        if ends {
            documents.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents.retain(|document| !document.trim().is_empty());
    documents
}

fn with_line_end(text: &str) -> String {
    if text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}

fn to_yaml(object: &Object) -> String {
    serde_yaml_ng::to_string(&object.raw.to_value()).expect("JSON values always serialise")
}

fn file_name(key: &ResourceKey) -> String {
    let kind = key.kind.to_ascii_lowercase();
    match key.namespace.as_str() {
        "" => format!("{kind}-{}.yaml", key.name),
        namespace => format!("{namespace}-{kind}-{}.yaml", key.name),
    }
}

fn read(path: &Path) -> Result<String, EditError> {
    fs::read_to_string(path).map_err(failed(path))
}

fn write(path: &Path, text: &str) -> Result<(), EditError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Not a name that the watcher reads.
    let temporary = path.with_file_name(format!(".{name}.new"));
    fs::write(&temporary, with_line_end(text))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> EditError {
    let path = path.to_owned();
    move |source| EditError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(name: &str, value: &str) -> String {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: {value}}}\n"
        )
    }

    #[test]
    fn an_object_is_replaced_where_it_stands_and_its_neighbours_keep_their_comments() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("all.yaml");
        let before = format!(
            "{}---\n# about b\n{}",
            config_map("a", "x"),
            config_map("b", "x")
        );
        fs::write(&file, before).expect("written");
        let edited = apply(dir.path(), &config_map("a", "z"), "input").expect("valid");
        assert_eq!(edited[0].outcome, Outcome::Configured);
        let text = fs::read_to_string(&file).expect("readable");
        assert!(
            text.contains("k: z") && text.contains("# about b"),
            "{text}"
        );
        let edited = apply(dir.path(), &config_map("a", "z"), "input").expect("valid");
        assert_eq!(edited[0].outcome, Outcome::Unchanged);
        delete(dir.path(), &edited[0].key).expect("there");
        let text = fs::read_to_string(&file).expect("readable");
        assert!(
            !text.contains("name: a") && text.contains("# about b"),
            "{text}"
        );
    }

    #[test]
    fn a_new_object_gets_a_file_and_the_file_goes_with_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let edited = apply(dir.path(), &config_map("a", "x"), "input").expect("valid");
        assert_eq!(edited[0].outcome, Outcome::Created);
        assert!(edited[0].file.ends_with("default-configmap-a.yaml"));
        delete(dir.path(), &edited[0].key).expect("there");
        assert!(!edited[0].file.exists());
    }

    #[test]
    fn one_wrong_document_keeps_all_from_being_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let text = format!("{}---\nkind: VirtualService\n", config_map("a", "x"));
        assert!(matches!(
            apply(dir.path(), &text, "input"),
            Err(EditError::Invalid(_))
        ));
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 0);
    }
}
