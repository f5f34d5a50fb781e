//! What can be wrong with a JSON form, and where.

use std::fmt;

use thiserror::Error;

/// A problem with its place in the document.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonError {
    /// Innermost segment first; turned round when shown.
    segments: Vec<Segment>,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Field(String),
    Index(usize),
    Key(String),
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The message has no such field.
    #[error("unknown field {field:?} in {message}; remove it or correct its name")]
    UnknownField {
        /// As written.
        field: String,
        /// Full name of the message.
        message: String,
    },
    /// Two fields of which at most one may be set.
    #[error("{second:?} cannot be set beside {first:?}; keep one of them")]
    OneOf {
        /// The one met first.
        first: String,
        /// The one met second.
        second: String,
    },
    /// A value of the wrong kind.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What would be right.
        expected: &'static str,
        /// What is there, shortened.
        found: String,
    },
    /// An enum has no such value.
    #[error("{value:?} is not a value of {of}; known are {known}")]
    UnknownEnumValue {
        /// As written.
        value: String,
        /// Full name of the enum.
        of: String,
        /// The names of its values.
        known: String,
    },
    /// An `Any` without a type.
    #[error("a typed configuration needs an \"@type\" that names its message")]
    NoType,
    /// A type that is not among the embedded descriptors.
    #[error("unknown message type {0:?}")]
    UnknownType(String),
    /// Bytes that are not a message of their type.
    #[error("malformed protobuf: {0}")]
    Encoding(prost::DecodeError),
}

impl JsonError {
    pub(crate) fn new(problem: Problem) -> Self {
        Self {
            segments: Vec::new(),
            problem,
        }
    }

    pub(super) fn kind(expected: &'static str, found: &serde_json::Value) -> Self {
        let mut text = found.to_string();
        if text.len() > 60 {
            let end = (0..=57)
                .rev()
                .find(|&end| text.is_char_boundary(end))
                .unwrap_or(0);
            text.truncate(end);
            text.push_str("...");
        }
        Self::new(Problem::Kind {
            expected,
            found: text,
        })
    }

    pub(super) fn in_field(mut self, name: &str) -> Self {
        self.segments.push(Segment::Field(name.to_owned()));
        self
    }

    pub(super) fn at_index(mut self, index: usize) -> Self {
        self.segments.push(Segment::Index(index));
        self
    }

    pub(super) fn at_key(mut self, key: &str) -> Self {
        self.segments.push(Segment::Key(key.to_owned()));
        self
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The place, for example `static_resources.listeners[0].name`; empty for the whole document.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.segments.iter().rev() {
            match segment {
                Segment::Field(name) if path.is_empty() => path.push_str(name),
                Segment::Field(name) => path.push_str(&format!(".{name}")),
                Segment::Index(index) => path.push_str(&format!("[{index}]")),
                Segment::Key(key) => path.push_str(&format!("[{key:?}]")),
            }
        }
        path
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.segments.is_empty() {
            write!(out, "{}: ", self.path())?;
        }
        self.problem.fmt(out)
    }
}

impl std::error::Error for JsonError {}
