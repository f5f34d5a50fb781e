//! The mesh's per-proxy configuration as the agent meets it: JSON in the environment, laid over
//! the defaults. Kept as JSON, because all of it goes into the node's metadata; this type only
//! knows the fields that the agent itself acts on.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// One proxy's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyConfig {
    fields: Map<String, Value>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        let defaults = json!({
            "binaryPath": "/usr/local/bin/envoy",
            "configPath": "./etc/istio/proxy",
            "controlPlaneAuthPolicy": "MUTUAL_TLS",
            "discoveryAddress": "istiod.istio-system.svc:15012",
            "drainDuration": "45s",
            "proxyAdminPort": 15000,
            "serviceCluster": "istio-proxy",
            "statNameLength": 189,
            "statusPort": 15020,
            "terminationDrainDuration": "5s",
        });
        Self::exactly(&defaults)
    }
}

impl ProxyConfig {
    /// Exactly these fields, without defaults. Anything but an object counts as an empty one.
    pub fn exactly(fields: &Value) -> Self {
        Self {
            fields: fields.as_object().cloned().unwrap_or_default(),
        }
    }

    /// Lays other fields over these, field by field: an inner object is replaced whole, except
    /// `proxyMetadata` and `runtimeValues`, whose keys are merged.
    pub fn overlay(&mut self, over: &Value) {
        for (name, value) in over.as_object().into_iter().flatten() {
            let merged = matches!(name.as_str(), "proxyMetadata" | "runtimeValues");
            match (self.fields.get_mut(name), value) {
                (Some(Value::Object(under)), Value::Object(over)) if merged => {
                    under.extend(over.clone());
                }
                _ => {
                    self.fields.insert(name.clone(), value.clone());
                }
            }
        }
    }

    /// Sets one field.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// The JSON form, without values that mean "default" on the wire.
    pub fn to_json(&self) -> Value {
        let told = |(_, value): &(&String, &Value)| {
            !matches!(value, Value::Null) && value.as_str() != Some("NONE")
        };
        let fields = self.fields.iter().filter(told);
        Value::Object(
            fields
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// A value by its JSON pointer, for example `/tracing/zipkin/address`.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        let mut parts = pointer.trim_start_matches('/').split('/');
        let first = self.fields.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// Text; empty when absent.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number, also from text.
    pub fn number(&self, pointer: &str) -> Option<u64> {
        let value = self.at(pointer)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// A port; the given one when absent or out of range.
    pub fn port(&self, pointer: &str, default: u16) -> u16 {
        let port = self
            .number(pointer)
            .and_then(|port| u16::try_from(port).ok());
        port.unwrap_or(default)
    }

    /// Whether a truth value is set to true.
    pub fn flag(&self, pointer: &str) -> Option<bool> {
        self.at(pointer).and_then(Value::as_bool)
    }

    /// A duration such as `5s` or `1m30s`; `None` when absent or malformed.
    pub fn duration(&self, pointer: &str) -> Option<Duration> {
        parse_duration(self.text(pointer))
    }

    /// Text values of a map, sorted by key.
    pub fn map(&self, pointer: &str) -> impl Iterator<Item = (&str, &str)> {
        let object = self.at(pointer).and_then(Value::as_object);
        object
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// Text items of a list.
    pub fn list(&self, pointer: &str) -> impl Iterator<Item = &str> {
        let items = self.at(pointer).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str)
    }
}

/// Reads durations as the configuration writes them: numbers with a unit, one after the other.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_replaces_objects_but_merges_the_two_maps() {
        let mut config = ProxyConfig::exactly(&json!({
            "tracing": {"sampling": 1}, "proxyMetadata": {"A": "1"}, "statusPort": 1}));
        config.overlay(&json!({
            "tracing": {"zipkin": {"address": "z:1"}}, "proxyMetadata": {"B": "2"}}));
        assert_eq!(config.at("/tracing/sampling"), None);
        assert_eq!(config.text("/tracing/zipkin/address"), "z:1");
        assert_eq!(config.map("/proxyMetadata").count(), 2);
        assert_eq!(config.port("/statusPort", 9), 1);
        assert_eq!(config.port("/adminPort", 9), 9);
    }

    #[test]
    fn durations_have_one_or_more_units() {
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("0.25s"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("5"), None);
        assert_eq!(parse_duration("5x"), None);
        assert_eq!(parse_duration(""), None);
    }
}
