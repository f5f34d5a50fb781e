//! Istio's `StringMatch`: exactly one of `exact`, `prefix`, `regex`.

use ferromesh_types::Str;
use serde::{Deserialize, Serialize};

/// A condition on a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum StringMatch {
    /// No condition was written: the value only has to be there (meaningful for headers).
    #[default]
    Present,
    /// The whole text.
    Exact(Str),
    /// The beginning of the text.
    Prefix(Str),
    /// A regular expression (RE2 syntax) that has to match the whole text.
    Regex(Str),
}

/// The wire form.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<Str>,
}

impl TryFrom<Fields> for StringMatch {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.exact, fields.prefix, fields.regex) {
            (None, None, None) => Ok(Self::Present),
            (Some(text), None, None) => Ok(Self::Exact(text)),
            (None, Some(text), None) => Ok(Self::Prefix(text)),
            (None, None, Some(text)) => Ok(Self::Regex(text)),
            _ => Err("at most one of exact, prefix, regex may be set"),
        }
    }
}

impl From<StringMatch> for Fields {
    fn from(value: StringMatch) -> Self {
        let mut fields = Self::default();
        match value {
            StringMatch::Present => {}
            StringMatch::Exact(text) => fields.exact = Some(text),
            StringMatch::Prefix(text) => fields.prefix = Some(text),
            StringMatch::Regex(text) => fields.regex = Some(text),
        }
        fields
    }
}

impl StringMatch {
    /// The text of the condition; empty when there is none.
    pub fn text(&self) -> &str {
        match self {
            Self::Present => "",
            Self::Exact(text) | Self::Prefix(text) | Self::Regex(text) => text,
        }
    }
}
