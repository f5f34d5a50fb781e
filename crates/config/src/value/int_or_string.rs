//! Kubernetes' `IntOrString`: a number, or the name of a port.

use ferromesh_types::Str;
use serde::{Deserialize, Serialize};

/// A number or a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i64),
    /// A name, or a number in quotes.
    Text(Str),
}

impl IntOrString {
    /// The number as a port, also when it is written in quotes; `None` for a name.
    pub fn as_port(&self) -> Option<u16> {
        match self {
            Self::Int(number) => u16::try_from(*number).ok(),
            Self::Text(text) => text.parse().ok(),
        }
    }

    /// The name; `None` for a number.
    pub fn as_name(&self) -> Option<&Str> {
        match self {
            Self::Text(text) if text.parse::<u16>().is_err() => Some(text),
            _ => None,
        }
    }
}

impl std::fmt::Display for IntOrString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}
