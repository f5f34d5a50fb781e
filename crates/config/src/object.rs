//! A config object: identity, metadata, typed content, and the text that it came from.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use ferromesh_types::{Labels, Namespace, ResourceKey, Str};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::kind::{Kind, Spec};
use crate::problem::{Origin, Problem};

/// A config object that is parsed and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Which object.
    pub key: ResourceKey,
    /// Its kind.
    pub kind: Kind,
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its typed content.
    pub spec: Spec,
    /// All of it, as JSON.
    pub raw: Arc<Raw>,
    /// Where it stands; absent for objects that the process made itself.
    pub origin: Option<Origin>,
    /// What is not quite right with it although it is in force.
    pub warnings: Vec<Problem>,
}

impl Object {
    /// Whether both say the same, wherever they stand.
    pub fn same_content(&self, other: &Self) -> bool {
        self.key == other.key && self.raw == other.raw
    }
}

/// Metadata of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Its name.
    pub name: Str,
    /// Its namespace; `default` where a namespaced object names none.
    pub namespace: Namespace,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub creation_timestamp: Option<OffsetDateTime>,
    /// When it was asked to go.
    #[serde(with = "time::serde::rfc3339::option")]
    pub deletion_timestamp: Option<OffsetDateTime>,
    /// Its unique id.
    pub uid: Str,
    /// The version that the API server gave it.
    pub resource_version: Str,
    /// The number of its edits that the API server counted.
    pub generation: i64,
}

/// An object as JSON. It is kept as compact text, and parsed when somebody asks: most objects are
/// only ever read through their typed content, and the text needs a tenth of the memory.
pub struct Raw {
    text: Box<str>,
    value: OnceLock<Value>,
}

impl Raw {
    /// Keeps `value` as text.
    pub fn new(value: &Value) -> Self {
        Self {
            text: value.to_string().into_boxed_str(),
            value: OnceLock::new(),
        }
    }

    /// The compact JSON text, with keys in order.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A value of its own, without keeping the parsed form.
    pub fn to_value(&self) -> Value {
        match self.value.get() {
            Some(value) => value.clone(),
            None => parse(&self.text),
        }
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("the text was written by the same library")
}

impl Deref for Raw {
    type Target = Value;
    /// The parsed form, kept from the first use on.
    fn deref(&self) -> &Value {
        self.value.get_or_init(|| parse(&self.text))
    }
}

impl From<Value> for Raw {
    fn from(value: Value) -> Self {
        Self::new(&value)
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Raw {
    /// Only the size: Secrets pass through here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.text.len())
    }
}
