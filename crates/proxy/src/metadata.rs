//! What filters note about a connection or a request for filters after them and for the access log:
//! Envoy's dynamic metadata.

use ferromesh_types::Str;
use serde_json::{Map, Value};

/// Notes by namespace. Every connection and request has them and most note nothing, so that they are
/// one pointer until then.
#[derive(Clone, Debug, Default)]
pub struct Metadata(Option<Box<Notes>>);

#[derive(Clone, Debug, Default)]
struct Notes {
    namespaces: Vec<(Str, Value)>,
}

impl Metadata {
    /// Notes `value` as `key` of `namespace`; replaces what was there.
    pub(crate) fn note(&mut self, namespace: &str, key: String, value: Value) {
        let all = &mut self.0.get_or_insert_default().namespaces;
        let position = all.iter().position(|(name, _)| **name == *namespace);
        let position = position.unwrap_or_else(|| {
            all.push((namespace.into(), Value::Object(Map::new())));
            all.len() - 1
        });
        if let Value::Object(notes) = &mut all[position].1 {
            notes.insert(key, value);
        }
    }

    /// What is noted in `namespace` down the keys of `path`; without keys, all of it.
    pub(crate) fn find(&self, namespace: &str, path: &[Str]) -> Option<&Value> {
        let mut namespaces = self.0.as_ref()?.namespaces.iter();
        let (_, notes) = namespaces.find(|(name, _)| **name == *namespace)?;
        path.iter().try_fold(notes, |at, key| at.get(key.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn notes_are_found_by_namespace_and_keys() {
        let mut notes = Metadata::default();
        notes.note("a", "k".to_owned(), json!({"inner": 1}));
        notes.note("a", "k".to_owned(), json!({"inner": 2}));
        notes.note("b", "k".to_owned(), json!("text"));
        assert_eq!(
            notes.find("a", &["k".into(), "inner".into()]),
            Some(&json!(2))
        );
        assert_eq!(notes.find("b", &["k".into()]), Some(&json!("text")));
        assert_eq!(notes.find("b", &["k".into(), "inner".into()]), None);
        assert_eq!(notes.find("b", &[]), Some(&json!({"k": "text"})));
        assert_eq!(notes.find("c", &["k".into()]), None);
    }
}
