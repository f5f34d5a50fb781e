//! What an object is: apiVersion, kind, metadata.

use ferromesh_types::{Namespace, ResourceKey};
use serde_json::Value;

use super::body::typed;
use super::ignored::unread_kind;
use crate::check::{Finding, name};
use crate::kind::Kind;
use crate::object::ObjectMeta;
use crate::problem::{Code, Problem, Severity};
use crate::yaml::Node;

/// The fields that an object of Istio's API has at its top.
const TOP_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// The kind of an object; a problem without place when there is none or it is not read.
pub(crate) fn kind_of(root: &Node) -> Result<Kind, Problem> {
    let api_version = required(root, "apiVersion")?;
    let name = required(root, "kind")?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    match Kind::find(group, name) {
        Some(kind) if kind.row().versions.contains(&version) => Ok(kind),
        Some(kind) => Err(unread_kind(group, version, name, kind.row().versions)),
        None => Err(unread_kind(group, version, name, &[])),
    }
}

fn required<'a>(root: &'a Node, field: &str) -> Result<&'a str, Problem> {
    match root.get(field).map(Node::as_str) {
        Some(Some(text)) if !text.is_empty() => Ok(text),
        Some(None) if root.get(field).is_some_and(|node| !node.is_null()) => Err(Problem {
            field: field.into(),
            ..Problem::error(Code::Syntax, "Invalid value: must be a text")
        }),
        _ => Err(Problem {
            field: field.into(),
            ..Problem::error(
                Code::Syntax,
                "Required value: every object names its apiVersion and kind",
            )
        }),
    }
}

/// The best guess at an object's identity, for messages about objects that cannot be read.
pub(crate) fn guess_key(root: &Node) -> Option<ResourceKey> {
    let kind = root.get("kind")?.as_str()?;
    let meta = root.get("metadata")?;
    let name = meta.get("name")?.as_str()?;
    let api_version = root.get("apiVersion").and_then(Node::as_str);
    let group = api_version.and_then(|version| version.split_once('/'));
    let known = Kind::find(group.map_or("", |(group, _)| group), kind);
    let cluster = known.is_some_and(|kind| !kind.is_namespaced());
    let namespace = match meta.get("namespace").and_then(Node::as_str) {
        _ if cluster => "",
        Some(namespace) if !namespace.is_empty() => namespace,
        _ => "default",
    };
    Some(ResourceKey::new(
        known.map_or(kind, |known| known.as_str()),
        namespace,
        name,
    ))
}

/// The metadata, with the namespace filled in.
pub(crate) fn meta_of(object: &Value, kind: Kind) -> Result<ObjectMeta, Finding> {
    let nothing = Value::Object(serde_json::Map::new());
    let mut meta: ObjectMeta = typed(object.get("metadata").unwrap_or(&nothing), "metadata")?;
    if meta.name.is_empty() {
        return Err(Finding::error(
            "metadata.name",
            "Required value: name is required",
        ));
    }
    // Nothing of the mesh depends on the case of its own objects' names; pods and services become
    // host names.
    let lower = if kind.is_istio() {
        meta.name.to_ascii_lowercase()
    } else {
        meta.name.to_string()
    };
    if name::object_name(&lower).is_err() {
        name::object_name(&meta.name)
            .map_err(|message| Finding::error("metadata.name", message))?;
    }
    if !kind.is_namespaced() {
        meta.namespace = Namespace::default();
    } else if meta.namespace.is_empty() {
        meta.namespace = Namespace::from("default");
    } else if let Err(message) = name::dns_label(meta.namespace.as_str()) {
        return Err(Finding::error("metadata.namespace", message));
    }
    Ok(meta)
}

/// Fields at the top that the API does not have.
pub(crate) fn unknown_top_field(object: &Value, kind: Kind) -> Option<Finding> {
    if !kind.is_strict() {
        return None;
    }
    let field = object
        .as_object()?
        .keys()
        .find(|key| !TOP_FIELDS.contains(&key.as_str()))?;
    Some(Finding {
        severity: Severity::Error,
        message: format!(
            "unknown field \"{field}\"; known fields are {}",
            TOP_FIELDS.join(", ")
        ),
        field: field.clone(),
        code: Code::UnknownField,
    })
}

/// A name that is in force here and that an API server refuses.
pub(crate) fn name_with_capitals(meta: &ObjectMeta) -> Option<Finding> {
    name::object_name(&meta.name).err().map(|message| Finding {
        severity: Severity::Warning,
        code: Code::Suspicious,
        ..Finding::error("metadata.name", format!("{message}; Kubernetes refuses it"))
    })
}
