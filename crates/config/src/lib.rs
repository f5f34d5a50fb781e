//! The resource kinds: typed specs, parsing, validation, analysis.
//!
//! Text of YAML files goes in, [`Object`]s come out, each with its typed [`Spec`], or the
//! [`Problem`]s that keep it out of force. Where the text comes from is the concern of `ingest`;
//! what the objects mean together is that of `registry` and `model`.

mod check;
pub mod effect;
pub mod kind;
pub mod kubernetes;
pub mod legacy;
pub mod mesh;
mod object;
mod parse;
mod problem;
pub mod value;
mod yaml;

pub use kind::{Kind, KindRow, Scope, Spec};
pub use object::{Object, ObjectMeta, Raw};
pub use parse::{Rejected, parse_all, parse_documents};
pub use problem::{Code, Origin, Problem, Severity};
pub use value::{Duration, IntOrString, LabelSelector, StringMatch, WorkloadLabels};
