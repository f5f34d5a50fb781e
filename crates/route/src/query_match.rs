//! Matching one query parameter. Values are compared as sent, without percent-decoding.

use ferromesh_types::Str;

use crate::string_match::StringMatch;

/// A condition on one query parameter.
#[derive(Clone, Debug)]
pub struct QueryMatch {
    /// The parameter's name.
    pub name: Str,
    /// What its first value must be; `None` asks only that it is there.
    pub value: Option<StringMatch>,
    /// With `value` unset: whether the parameter must be there or must not.
    pub present: bool,
}

impl QueryMatch {
    /// Whether the path's query meets the condition.
    pub fn is_match(&self, path: &str) -> bool {
        let found = parameter(path, &self.name);
        match &self.value {
            None => found.is_some() == self.present,
            Some(matcher) => found.is_some_and(|value| matcher.is_match(value)),
        }
    }
}

/// The first value of a query parameter.
pub fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        assert_eq!(parameter("/a?b=1&c&b=2#f", "b"), Some("1"));
        assert_eq!(parameter("/a?b=1&c", "c"), Some(""));
        assert_eq!(parameter("/a", "c"), None);
    }
}
