//! ConfigMaps and Secrets by namespace and name: the objects whose keys pods read.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Which of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyedKind {
    /// `ConfigMap`.
    ConfigMap,
    /// `Secret`.
    Secret,
}

impl fmt::Display for KeyedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        })
    }
}

/// Keys and their bytes.
pub type Keys = BTreeMap<String, Vec<u8>>;

/// All ConfigMaps and Secrets.
#[derive(Clone, Debug, Default)]
pub struct KeyedObjects {
    objects: HashMap<(KeyedKind, String, String), Keys>,
}

impl KeyedObjects {
    /// The keys of one object.
    pub fn find(&self, kind: KeyedKind, namespace: &str, name: &str) -> Option<&Keys> {
        self.objects
            .get(&(kind, namespace.to_owned(), name.to_owned()))
    }

    /// Adds or replaces an object.
    pub fn insert(&mut self, kind: KeyedKind, namespace: &str, name: &str, keys: Keys) {
        self.objects
            .insert((kind, namespace.to_owned(), name.to_owned()), keys);
    }

    /// Removes an object.
    pub fn remove(&mut self, kind: KeyedKind, namespace: &str, name: &str) {
        self.objects
            .remove(&(kind, namespace.to_owned(), name.to_owned()));
    }
}

/// Reads the keys out of an object's JSON: `data` (base64 in a Secret), `binaryData`,
/// `stringData`. A value that is no valid base64 is left out: `config` reports it.
pub fn keys_of(kind: KeyedKind, object: &Value) -> Keys {
    let mut keys = Keys::new();
    let mut read = |member: &str, encoded: bool| {
        let Some(map) = object.get(member).and_then(Value::as_object) else {
            return;
        };
        for (key, value) in map {
            let Some(text) = value.as_str() else { continue };
            if !encoded {
                keys.insert(key.clone(), text.as_bytes().to_vec());
                continue;
            }
            let compact: String = text.split_whitespace().collect();
            if let Ok(bytes) = STANDARD.decode(compact) {
                keys.insert(key.clone(), bytes);
            }
        }
    };
    read("data", kind == KeyedKind::Secret);
    read("binaryData", true);
    read("stringData", false);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_decoded_and_a_config_map_is_not() {
        let object = json!({"data": {"k": "aGk="}, "stringData": {"s": "x"}});
        let secret = keys_of(KeyedKind::Secret, &object);
        assert_eq!(
            (secret["k"].as_slice(), secret["s"].as_slice()),
            (&b"hi"[..], &b"x"[..])
        );
        let map = keys_of(KeyedKind::ConfigMap, &object);
        assert_eq!(map["k"], b"aGk=");
    }
}
