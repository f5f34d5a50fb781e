//! What filters note about a connection or a request for filters after them and for the access log:
//! Envoy's dynamic metadata.

use ferromesh_types::Str;
use serde_json::{Map, Value};

/// Notes by namespace; takes no memory of its own until something is noted.
#[derive(Clone, Debug, Default)]
pub struct Metadata(Vec<(Str, Value)>);

impl Metadata {
    /// Notes `value` as `key` of `namespace`; replaces what was there.
    pub(crate) fn note(&mut self, namespace: &str, key: String, value: Value) {
        let position = self.0.iter().position(|(name, _)| **name == *namespace);
        let position = position.unwrap_or_else(|| {
            self.0.push((namespace.into(), Value::Object(Map::new())));
            self.0.len() - 1
        });
        if let Value::Object(notes) = &mut self.0[position].1 {
            notes.insert(key, value);
        }
    }

    /// What is noted in `namespace` down the keys of `path`; without keys, all of it.
    pub(crate) fn find(&self, namespace: &str, path: &[Str]) -> Option<&Value> {
        let mut namespaces = self.0.iter();
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
