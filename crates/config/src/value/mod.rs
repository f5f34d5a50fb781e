//! Value types that several kinds share: durations, string matches, numbers that may be names.

mod duration;
mod int_or_string;
mod selector;
mod string_match;

pub use duration::{Duration, DurationError};
pub use int_or_string::IntOrString;
pub use selector::{LabelSelector, PolicyTargetReference, WorkloadLabels, WorkloadMode};
pub use string_match::StringMatch;
