//! What is wrong with config, as data: which object, where, which field, and what to do.

use std::fmt;

use ferromesh_types::{ResourceKey, Str};
use serde::Serialize;

/// Where an object stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Origin {
    /// The file.
    pub file: Str,
    /// The line, from 1; 0 when not known.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}", self.file, self.line)
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to do.
    Info,
    /// The object is in force, but not all of it does what it says.
    Warning,
    /// The object is not in force; its last good version is.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What sort of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The file cannot be read.
    Unreadable,
    /// The text is not YAML, or not a Kubernetes object.
    Syntax,
    /// Nothing is known of the kind or its version.
    UnknownKind,
    /// The kind is of no use to the mesh.
    Ignored,
    /// The API has no such field.
    UnknownField,
    /// A value has the wrong type or is not one of those allowed.
    WrongType,
    /// A rule of the API is broken.
    Invalid,
    /// The object exists twice.
    Duplicate,
    /// The field is accepted and does nothing in this version.
    NoEffect,
    /// The field works, and there is a better way.
    Deprecated,
    /// The object works, and something about it looks wrong.
    Suspicious,
}

impl Code {
    /// The code as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Syntax => "syntax",
            Self::UnknownKind => "unknown-kind",
            Self::Ignored => "ignored",
            Self::UnknownField => "unknown-field",
            Self::WrongType => "wrong-type",
            Self::Invalid => "invalid",
            Self::Duplicate => "duplicate",
            Self::NoEffect => "no-effect",
            Self::Deprecated => "deprecated",
            Self::Suspicious => "suspicious",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The object; absent when the text is too broken to tell.
    pub key: Option<ResourceKey>,
    /// Where it stands: the line of the field if that is known, else of the object.
    pub origin: Option<Origin>,
    /// The field, as in `spec.http[0].route[1].weight`; empty for the object as a whole.
    pub field: Str,
    /// What is wrong and what to do.
    pub message: String,
    /// What sort of problem it is.
    pub code: Code,
}

impl Problem {
    /// An error about an object as a whole, without a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            key: None,
            origin: None,
            field: Str::default(),
            message: message.into(),
            code,
        }
    }

    /// Whether the object is kept out of force.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    /// `file:line: Kind namespace/name: field: message`, without the parts that are not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}
