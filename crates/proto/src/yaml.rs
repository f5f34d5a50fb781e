//! A static Envoy bootstrap in YAML or JSON.
//!
//! Lenient where published files need it: booleans as text, old header matchers, a router filter
//! without a typed configuration (the message form has room for all of them). Whatever is not a
//! field at all is an error that names its place.

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use prost::{Message, Name};
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::json::{self, JsonError};

/// Why a document is not a bootstrap.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum YamlError {
    /// Not YAML.
    #[error("not valid YAML: {0}")]
    Syntax(#[from] serde_yaml_ng::Error),
    /// A key that JSON cannot express.
    #[error("the key {0} is neither text, a number nor a boolean")]
    Key(String),
    /// Not the message.
    #[error(transparent)]
    Message(#[from] JsonError),
}

/// Reads a bootstrap.
pub fn bootstrap_from_yaml(text: &str) -> Result<Bootstrap, YamlError> {
    message_from_yaml(text)
}

/// Reads a bootstrap and lays another one over it: lists are appended, single fields replaced, as
/// Envoy does with `--config-yaml`.
pub fn merged_bootstrap(base: &str, overlay: &str) -> Result<Bootstrap, YamlError> {
    let mut merged = bootstrap_from_yaml(base)?.encode_to_vec();
    // Messages one after the other decode to their merge.
    merged.extend(bootstrap_from_yaml(overlay)?.encode_to_vec());
    Bootstrap::decode(merged.as_slice())
        .map_err(|reason| JsonError::new(json::Problem::Encoding(reason)).into())
}

/// Reads any message from its YAML form.
pub fn message_from_yaml<M: Message + Name + Default>(text: &str) -> Result<M, YamlError> {
    let json = json_from_yaml(text)?;
    Ok(json::message_from_json(&json)?)
}

/// The JSON value of a YAML document, with anchors and merge keys resolved. An empty document is
/// an empty object.
pub fn json_from_yaml(text: &str) -> Result<Value, YamlError> {
    let mut yaml: serde_yaml_ng::Value = serde_yaml_ng::from_str(text)?;
    yaml.apply_merge()?;
    match to_json(yaml)? {
        Value::Null => Ok(Value::Object(Map::new())),
        json => Ok(json),
    }
}

fn to_json(yaml: serde_yaml_ng::Value) -> Result<Value, YamlError> {
    use serde_yaml_ng::Value as Yaml;
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => number_to_json(&number),
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => items.into_iter().map(to_json).collect::<Result<_, _>>()?,
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                object.insert(key_text(key)?, to_json(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => to_json(tagged.value)?,
    })
}

fn key_text(key: serde_yaml_ng::Value) -> Result<String, YamlError> {
    match to_json(key)? {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(YamlError::Key(other.to_string())),
    }
}

fn number_to_json(number: &serde_yaml_ng::Number) -> Value {
    if let Some(whole) = number.as_i64() {
        return whole.into();
    }
    if let Some(whole) = number.as_u64() {
        return whole.into();
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    Number::from_f64(float).map_or_else(|| Value::String(float.to_string()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "
admin: &admin
  address: {socket_address: {address: 127.0.0.1, port_value: 15000}}
static_resources:
  clusters:
  - name: one
    connect_timeout: 0.25s
    type: STATIC
";

    #[test]
    fn a_bootstrap_is_read_in_either_spelling() {
        let bootstrap = bootstrap_from_yaml(BASE).expect("a bootstrap");
        let camel = BASE.replace("static_resources", "staticResources");
        assert_eq!(bootstrap, bootstrap_from_yaml(&camel).expect("the same"));
        let clusters = bootstrap.static_resources.expect("given").clusters;
        assert_eq!(
            clusters[0].connect_timeout.expect("given").nanos,
            250_000_000
        );
    }

    #[test]
    fn an_overlay_appends_to_lists_and_replaces_fields() {
        let overlay = "{admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}, \
                       static_resources: {clusters: [{name: two}]}}";
        let merged = merged_bootstrap(BASE, overlay).expect("both are bootstraps");
        let names: Vec<_> = merged.static_resources.expect("given").clusters;
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn an_unknown_field_is_named_with_its_place() {
        let error = bootstrap_from_yaml("static_resources: {clusters: [{name: a, colour: red}]}")
            .expect_err("no such field");
        assert!(
            error
                .to_string()
                .starts_with("static_resources.clusters[0]: "),
            "{error}"
        );
        assert!(error.to_string().contains("\"colour\""), "{error}");
    }

    #[test]
    fn text_for_a_boolean_and_a_filter_without_configuration_are_accepted() {
        let text = r#"
static_resources:
  listeners:
  - filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          generate_request_id: "true"
          stat_prefix: x
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /, headers: [{name: a, exact_match: b}]}
                route: {cluster: one}
          http_filters: [{name: envoy.filters.http.router}]
"#;
        bootstrap_from_yaml(text).expect("accepted");
    }
}
