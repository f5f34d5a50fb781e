//! The objects of a file.

use std::sync::Arc;

use ferromesh_types::{ResourceKey, Str};
use serde_json::Value;

use super::envelope::{guess_key, kind_of, meta_of, name_with_capitals, unknown_top_field};
use crate::check::Finding;
use crate::effect;
use crate::kind::{Kind, Spec};
use crate::object::{Object, ObjectMeta, Raw};
use crate::problem::{Code, Origin, Problem, Severity};
use crate::yaml::{Document, Node, load, split};

/// An object that is not in force, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The object, if the text says which one it is.
    pub key: Option<ResourceKey>,
    /// All that is wrong; never empty. Without an error among them the kind is merely not read.
    pub problems: Vec<Problem>,
}

/// Reads all objects of a file; per object the first problem where it is not in force.
pub fn parse_documents(text: &str, file: &str) -> Vec<Result<Object, Problem>> {
    parse_all(text, file)
        .into_iter()
        .map(|parsed| parsed.map_err(|mut rejected| rejected.problems.swap_remove(0)))
        .collect()
}

/// Reads all objects of a file; per object all problems where it is not in force.
pub fn parse_all(text: &str, file: &str) -> Vec<Result<Object, Rejected>> {
    let file = Str::from(file);
    let mut parsed = Vec::new();
    for segment in split(text) {
        match load(segment) {
            Ok(documents) => {
                for document in &documents {
                    read(document, &file, &mut parsed);
                }
            }
            Err(error) => {
                let problem = Problem {
                    origin: Some(Origin {
                        file: file.clone(),
                        line: error.line,
                    }),
                    ..Problem::error(Code::Syntax, error.message)
                };
                parsed.push(Err(Rejected {
                    key: None,
                    problems: vec![problem],
                }));
            }
        }
    }
    parsed
}

/// Reads a document: nothing, an object, or a list of objects.
fn read(document: &Document, file: &Str, parsed: &mut Vec<Result<Object, Rejected>>) {
    let root = &document.root;
    if root.is_null() {
        return;
    }
    let reader = Reader {
        root,
        file,
        repeated: &document.repeated,
    };
    match list_items(root) {
        Some(items) => {
            for item in items {
                parsed.push(
                    Reader {
                        root: item,
                        ..reader
                    }
                    .object(),
                );
            }
        }
        None => parsed.push(reader.object()),
    }
}

/// The items of a `List`, as `kubectl get -o yaml` prints it.
fn list_items(root: &Node) -> Option<&[Node]> {
    let kind = root.get("kind")?.as_str()?;
    let items = root.get("items")?;
    match &items.value {
        crate::yaml::NodeValue::Sequence(items) if kind.ends_with("List") => Some(items),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    root: &'a Node,
    file: &'a Str,
    repeated: &'a [(String, u32)],
}

impl Reader<'_> {
    fn object(self) -> Result<Object, Rejected> {
        let kind = kind_of(self.root).map_err(|problem| self.reject(problem))?;
        let json = self.root.to_json();
        match self.content(kind, &json) {
            Ok((meta, spec, mut found)) => {
                found.extend(effect::without_effect(kind, &json));
                let key =
                    ResourceKey::new(kind.as_str(), meta.namespace.as_str(), meta.name.clone());
                let warnings = self.problems(Some(&key), found);
                Ok(Object {
                    key,
                    kind,
                    meta,
                    spec,
                    raw: Arc::new(Raw::new(&json)),
                    origin: Some(self.origin("")),
                    warnings,
                })
            }
            Err(found) => {
                let key = guess_key(self.root);
                let mut problems = self.problems(key.as_ref(), found);
                problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
                Err(Rejected { key, problems })
            }
        }
    }

    fn content(
        self,
        kind: Kind,
        json: &Value,
    ) -> Result<(ObjectMeta, Spec, Vec<Finding>), Vec<Finding>> {
        if let Some((key, line)) = self.repeated.iter().find(|(_, line)| self.holds(*line)) {
            let message = format!("the key \"{key}\" stands twice in the same map (line {line})");
            return Err(vec![Finding {
                code: Code::Syntax,
                ..Finding::error(key, message)
            }]);
        }
        let meta = meta_of(json, kind).map_err(|finding| vec![finding])?;
        if let Some(finding) = unknown_top_field(json, kind) {
            return Err(vec![finding]);
        }
        let (spec, mut found) = kind.parse(json)?;
        found.extend(name_with_capitals(&meta));
        Ok((meta, spec, found))
    }

    /// Whether a line belongs to this object: the last object that begins at or before it.
    fn holds(self, line: u32) -> bool {
        line >= self.root.line && line <= self.root.last_line()
    }

    fn problems(self, key: Option<&ResourceKey>, found: Vec<Finding>) -> Vec<Problem> {
        found
            .into_iter()
            .map(|finding| Problem {
                severity: finding.severity,
                key: key.cloned(),
                origin: Some(self.origin(&finding.field)),
                field: finding.field.into(),
                message: finding.message,
                code: finding.code,
            })
            .collect()
    }

    /// Adds identity and place to a problem of the object.
    fn reject(self, problem: Problem) -> Rejected {
        let key = guess_key(self.root);
        let origin = Some(self.origin(&problem.field));
        Rejected {
            key: key.clone(),
            problems: vec![Problem {
                key,
                origin,
                ..problem
            }],
        }
    }

    fn origin(self, field: &str) -> Origin {
        Origin {
            file: self.file.clone(),
            line: self.root.line_of(field),
        }
    }
}

impl Rejected {
    /// Whether the object was meant for the mesh and has a mistake; otherwise it is merely not
    /// read.
    pub fn is_error(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }
}
