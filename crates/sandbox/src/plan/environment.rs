//! The environment of a container: values, fields, keys of ConfigMaps and Secrets.

use std::collections::BTreeMap;

use super::expand::expand;
use super::fields::{self, Placement};
use crate::keyed::{KeyedKind, KeyedObjects};
use crate::kubernetes::{Container, EnvSource, EnvVar, Pod};

/// Why an environment cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// A ConfigMap or Secret that is not there (yet).
    #[error("variable {variable}: {kind} {name:?} is not in namespace {namespace}")]
    MissingObject {
        /// The variable, or `envFrom`.
        variable: String,
        /// Which kind.
        kind: KeyedKind,
        /// Its name.
        name: String,
        /// The pod's namespace.
        namespace: String,
    },
    /// A key that the object lacks.
    #[error("variable {variable}: {kind} {name:?} has no key {key:?}")]
    MissingKey {
        /// The variable.
        variable: String,
        /// Which kind.
        kind: KeyedKind,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// A field path or resource that does not exist.
    #[error("variable {variable}: the pod has no field {path:?}")]
    UnknownField {
        /// The variable.
        variable: String,
        /// The path.
        path: String,
    },
}

/// Builds the environment of `container`, in order: `envFrom`, then `env`; later entries win.
///
/// # Errors
/// When something that is not optional is missing.
pub fn environment(
    container: &Container,
    pod: &Pod,
    placement: &Placement,
    objects: &KeyedObjects,
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let scope = Scope {
        container,
        pod,
        placement,
        objects,
    };
    let mut variables = scope.whole_objects()?;
    for entry in &container.env {
        match scope.value(entry, &variables)? {
            Some(value) => {
                variables.insert(entry.name.clone(), value);
            }
            // An optional key that is absent leaves the variable unset.
            None => continue,
        }
    }
    Ok(variables)
}

struct Scope<'a> {
    container: &'a Container,
    pod: &'a Pod,
    placement: &'a Placement,
    objects: &'a KeyedObjects,
}

impl Scope<'_> {
    fn whole_objects(&self) -> Result<BTreeMap<String, String>, EnvironmentError> {
        let mut variables = BTreeMap::new();
        for source in &self.container.env_from {
            let sources = [
                (KeyedKind::ConfigMap, &source.config_map_ref),
                (KeyedKind::Secret, &source.secret_ref),
            ];
            for (kind, reference) in sources {
                let Some(reference) = reference else { continue };
                match self
                    .objects
                    .find(kind, &self.pod.metadata.namespace, &reference.name)
                {
                    Some(keys) => variables.extend(keys.iter().map(|(key, value)| {
                        let value = String::from_utf8_lossy(value).into_owned();
                        (format!("{}{key}", source.prefix), value)
                    })),
                    None if reference.optional => {}
                    None => return Err(self.missing("envFrom", kind, &reference.name)),
                }
            }
        }
        Ok(variables)
    }

    fn value(
        &self,
        entry: &EnvVar,
        variables: &BTreeMap<String, String>,
    ) -> Result<Option<String>, EnvironmentError> {
        match &entry.value_from {
            None => Ok(Some(expand(
                entry.value.as_deref().unwrap_or_default(),
                variables,
            ))),
            Some(source) => self.sourced(&entry.name, source),
        }
    }

    fn sourced(
        &self,
        variable: &str,
        source: &EnvSource,
    ) -> Result<Option<String>, EnvironmentError> {
        let unknown = |path: &str| EnvironmentError::UnknownField {
            variable: variable.to_owned(),
            path: path.to_owned(),
        };
        if let Some(reference) = &source.field_ref {
            let text = fields::field(self.pod, self.placement, &reference.field_path);
            return text.map(Some).ok_or_else(|| unknown(&reference.field_path));
        }
        if let Some(reference) = &source.resource_field_ref {
            let text = fields::resource(self.container, self.pod, reference);
            return text.map(Some).ok_or_else(|| unknown(&reference.resource));
        }
        let keyed = [
            (KeyedKind::ConfigMap, &source.config_map_key_ref),
            (KeyedKind::Secret, &source.secret_key_ref),
        ];
        for (kind, reference) in keyed {
            let Some(reference) = reference else { continue };
            let object = self
                .objects
                .find(kind, &self.pod.metadata.namespace, &reference.name);
            return match object.map(|keys| keys.get(&reference.key)) {
                Some(Some(value)) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
                _ if reference.optional => Ok(None),
                None => Err(self.missing(variable, kind, &reference.name)),
                Some(None) => Err(EnvironmentError::MissingKey {
                    variable: variable.to_owned(),
                    kind,
                    name: reference.name.clone(),
                    key: reference.key.clone(),
                }),
            };
        }
        Err(unknown("valueFrom"))
    }

    fn missing(&self, variable: &str, kind: KeyedKind, name: &str) -> EnvironmentError {
        EnvironmentError::MissingObject {
            variable: variable.to_owned(),
            kind,
            name: name.to_owned(),
            namespace: self.pod.metadata.namespace.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use serde_json::json;

    fn build(container: serde_json::Value) -> Result<BTreeMap<String, String>, EnvironmentError> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": [container]}
        }))
        .expect("a valid pod");
        let mut objects = KeyedObjects::default();
        objects.insert(
            KeyedKind::ConfigMap,
            "n",
            "settings",
            [("LEVEL".to_owned(), b"debug".to_vec())].into(),
        );
        let placement = Placement {
            pod_ip: Ipv4Addr::new(10, 0, 0, 2),
            host_ip: Ipv4Addr::new(10, 0, 0, 1),
            node: "node-1".into(),
        };
        environment(&pod.spec.containers[0], &pod, &placement, &objects)
    }

    #[test]
    fn values_see_the_variables_before_them() {
        let env = build(json!({"env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "URL", "value": "http://$(IP):80"},
        ]}))
        .expect("all there");
        assert_eq!(env["URL"], "http://10.0.0.2:80");
    }

    #[test]
    fn keys_come_from_config_maps_and_own_entries_win() {
        let env = build(json!({
            "envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}],
            "env": [{"name": "L", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}},
                    {"name": "P_LEVEL", "value": "own"}]
        }))
        .expect("all there");
        assert_eq!(
            (env["L"].as_str(), env["P_LEVEL"].as_str()),
            ("debug", "own")
        );
    }

    #[test]
    fn what_is_missing_is_named_unless_it_is_optional() {
        let reference = |optional: bool| {
            json!({"env": [{"name": "X", "valueFrom":
                {"secretKeyRef": {"name": "s", "key": "k", "optional": optional}}}]})
        };
        assert_eq!(build(reference(true)).expect("optional").get("X"), None);
        let error = build(reference(false)).expect_err("required").to_string();
        assert_eq!(error, "variable X: Secret \"s\" is not in namespace n");
    }
}
