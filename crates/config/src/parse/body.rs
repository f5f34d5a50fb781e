//! The content of an object: typed by serde, then checked by the kind's own rules.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::reword::reword;
use crate::check::{Finding, Findings};

/// The content of a kind.
pub(crate) trait Body: DeserializeOwned {
    /// Whether the mesh owns the API: the content is `spec` alone and unknown fields are refused.
    /// Otherwise the content is the whole object, and unknown fields are accepted.
    const STRICT: bool;

    /// Reports what the types cannot say. The findings stand at the content's root.
    fn check(&self, findings: &mut Findings<'_>);
}

/// The content with what was found in it, or what keeps it out of force.
pub(crate) type Checked<T> = Result<(T, Vec<Finding>), Vec<Finding>>;

/// Reads and checks the content of the whole object `object`.
pub(crate) fn body<T: Body>(object: &Value) -> Checked<T> {
    let nothing = Value::Object(serde_json::Map::new());
    let (root, path) = if T::STRICT {
        (object.get("spec").unwrap_or(&nothing), "spec")
    } else {
        (object, "")
    };
    let content: T = typed(root, path).map_err(|finding| vec![finding])?;
    let mut findings = Findings::new(root, path);
    content.check(&mut findings);
    let found = findings.into_found();
    if found.iter().any(Finding::is_error) {
        Err(found)
    } else {
        Ok((content, found))
    }
}

/// Reads a value into a type; the finding names the field below `path`.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value, path: &str) -> Result<T, Finding> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let below = error.path().to_string();
        let field = match (path, below.as_str()) {
            (path, "." | "") => path.to_owned(),
            ("", below) => below.to_owned(),
            (path, below) if below.starts_with('[') => format!("{path}{below}"),
            (path, below) => format!("{path}.{below}"),
        };
        reword(field, &error.into_inner().to_string())
    })
}
