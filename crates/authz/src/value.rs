//! Matching a value of metadata: what Envoy's `ValueMatcher` can ask.

use ferromesh_route::StringMatch;
use serde_json::Value;

/// A condition on a JSON value. A value that is not there meets none but [`ValueMatch::Never`]'s
/// opposite: every condition asks for something.
#[derive(Clone, Debug)]
pub enum ValueMatch {
    /// It is null.
    Null,
    /// It is this number.
    Number(f64),
    /// It is a number in `start..end`.
    Range {
        /// First number that matches.
        start: f64,
        /// First number after those that match.
        end: f64,
    },
    /// It is a string that matches.
    Text(StringMatch),
    /// It is this truth value.
    Bool(bool),
    /// It is there.
    Present,
    /// Nothing meets it.
    Never,
    /// It is a list, and one of its values matches.
    ListHolds(Box<ValueMatch>),
    /// One of these matches.
    Any(Vec<ValueMatch>),
}

impl ValueMatch {
    /// Whether `value` meets the condition.
    pub fn is_match(&self, value: Option<&Value>) -> bool {
        let number = || value.and_then(Value::as_f64);
        match self {
            Self::Null => value.is_some_and(Value::is_null),
            Self::Number(wanted) => number().is_some_and(|number| number.total_cmp(wanted).is_eq()),
            Self::Range { start, end } => number().is_some_and(|it| *start <= it && it < *end),
            Self::Text(matcher) => {
                let text = value.and_then(Value::as_str);
                text.is_some_and(|text| matcher.is_match(text))
            }
            Self::Bool(wanted) => value.and_then(Value::as_bool) == Some(*wanted),
            Self::Present => value.is_some(),
            Self::Never => false,
            Self::ListHolds(inner) => {
                let list = value.and_then(Value::as_array);
                list.is_some_and(|list| list.iter().any(|each| inner.is_match(Some(each))))
            }
            Self::Any(matchers) => matchers.iter().any(|each| each.is_match(value)),
        }
    }
}
