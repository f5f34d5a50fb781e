//! The objects that the sandbox acts on: the user's, and the system's where the user has none of
//! the same kind, namespace and name.

use std::collections::{BTreeMap, BTreeSet};

use ferromesh_types::{Labels, ResourceKey};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::keyed::{KeyedKind, KeyedObjects, keys_of};

/// User's and system's objects.
#[derive(Debug, Default)]
pub(super) struct Objects {
    user: BTreeMap<ResourceKey, Value>,
    system: BTreeMap<ResourceKey, Value>,
}

impl Objects {
    pub(super) fn new(system: Vec<Value>) -> Self {
        let keyed = system.into_iter().map(|object| (key_of(&object), object));
        Self {
            user: BTreeMap::new(),
            system: keyed.collect(),
        }
    }

    /// Takes a change of the user's object.
    pub(super) fn put(&mut self, key: ResourceKey, object: Option<Value>) {
        match object {
            Some(mut object) => {
                strip_nulls(&mut object);
                // `default` is implied in the text, and everything later reads the JSON.
                if !key.namespace.is_empty() {
                    object["metadata"]["namespace"] = Value::from(key.namespace.as_str());
                }
                self.user.insert(key, object);
            }
            None => {
                self.user.remove(&key);
            }
        }
    }

    /// All objects of `kind` that count.
    pub(super) fn of_kind<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a ResourceKey, &'a Value)> {
        let user = self.user.iter();
        let system = self
            .system
            .iter()
            .filter(|(key, _)| !self.user.contains_key(*key));
        user.chain(system).filter(move |(key, _)| key.kind == *kind)
    }

    /// The objects of `kind`, read; what cannot be read is left out, as `config` has said why.
    pub(super) fn read<T: DeserializeOwned>(&self, kind: &str) -> Vec<(ResourceKey, T)> {
        let objects = self.of_kind(kind);
        objects
            .filter_map(|(key, object)| {
                serde_json::from_value(object.clone())
                    .ok()
                    .map(|object| (key.clone(), object))
            })
            .collect()
    }

    /// One object.
    pub(super) fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Value> {
        let key = ResourceKey::new(kind, namespace, name);
        self.user.get(&key).or_else(|| self.system.get(&key))
    }

    /// The system's objects that no user's object replaces.
    pub(super) fn system_in_force(&self) -> impl Iterator<Item = &Value> {
        let in_force = self
            .system
            .iter()
            .filter(|(key, _)| !self.user.contains_key(*key));
        in_force.map(|(_, object)| object)
    }

    /// Every namespace that is declared or used.
    pub(super) fn namespaces(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for key in self.user.keys().chain(self.system.keys()) {
            if key.kind == "Namespace" {
                names.insert(key.name.to_string());
            } else if !key.namespace.is_empty() {
                names.insert(key.namespace.to_string());
            }
        }
        names
    }

    /// The labels of a namespace.
    pub(super) fn namespace_labels(&self, namespace: &str) -> Labels {
        let object = self.find("Namespace", "", namespace);
        let labels = object.and_then(|object| object.pointer("/metadata/labels")?.as_object());
        let pairs = labels.into_iter().flatten();
        pairs
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect()
    }

    /// All ConfigMaps and Secrets.
    pub(super) fn keyed(&self) -> KeyedObjects {
        let mut keyed = KeyedObjects::default();
        for kind in [KeyedKind::ConfigMap, KeyedKind::Secret] {
            for (key, object) in self.of_kind(&kind.to_string()) {
                keyed.insert(
                    kind,
                    key.namespace.as_str(),
                    &key.name,
                    keys_of(kind, object),
                );
            }
        }
        keyed
    }
}

fn key_of(object: &Value) -> ResourceKey {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    ResourceKey::new(
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name"),
    )
}

/// `null` is how YAML writes an empty member; to the API it is the same as none.
pub(super) fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_user_s_object_takes_the_place_of_the_system_s_until_it_goes() {
        let system = json!({"kind": "ConfigMap", "data": {"mesh": "system"},
            "metadata": {"name": "istio", "namespace": "istio-system"}});
        let mut objects = Objects::new(vec![system]);
        let key = ResourceKey::new("ConfigMap", "istio-system", "istio");
        let mesh = |objects: &Objects| {
            let object = objects.find("ConfigMap", "istio-system", "istio")?;
            object["data"]["mesh"].as_str().map(str::to_owned)
        };
        let user = json!({"kind": "ConfigMap", "metadata": {"name": "istio", "labels": null},
            "data": {"mesh": "user"}});
        objects.put(key.clone(), Some(user));
        assert_eq!(mesh(&objects).as_deref(), Some("user"));
        assert_eq!(objects.of_kind("ConfigMap").count(), 1);
        assert_eq!(objects.system_in_force().count(), 0);
        objects.put(key, None);
        assert_eq!(mesh(&objects).as_deref(), Some("system"));
    }
}
