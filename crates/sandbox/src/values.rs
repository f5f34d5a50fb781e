//! `--set KEY=VALUE`: Istio's installation values, as far as a sandbox has use for them.

use ferromesh_inject::InjectSettings;
use serde_json::{Map, Value};

/// What the user set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetValues {
    /// Paths below `meshConfig` and their values.
    mesh_config: Vec<(Vec<String>, Value)>,
    /// Environment of the control plane.
    pub control_plane_env: Vec<(String, String)>,
    proxy_log_level: Option<String>,
    native_sidecars: Option<bool>,
    include_ip_ranges: Option<String>,
    exclude_ip_ranges: Option<String>,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// Not of the form `key=value`.
    #[error("--set {0}: write KEY=VALUE")]
    NoValue(String),
    /// No such key.
    #[error(
        "--set {0}: unknown here; known are meshConfig.*, values.pilot.env.NAME, \
         values.global.proxy.logLevel, values.global.proxy.includeIPRanges, \
         values.global.proxy.excludeIPRanges and values.pilot.env.ENABLE_NATIVE_SIDECARS"
    )]
    UnknownKey(String),
}

impl SetValues {
    /// Reads `key=value` pairs; later ones win.
    ///
    /// # Errors
    /// When a key is unknown.
    pub fn parse(pairs: &[String]) -> Result<Self, SetError> {
        let mut values = Self::default();
        for pair in pairs {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| SetError::NoValue(pair.clone()))?;
            values.set(key, value)?;
        }
        Ok(values)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), SetError> {
        if let Some(path) = key.strip_prefix("meshConfig.") {
            let path = path.split('.').map(str::to_owned).collect();
            self.mesh_config.push((path, typed(value)));
            return Ok(());
        }
        if let Some(name) = key.strip_prefix("values.pilot.env.") {
            if name == "ENABLE_NATIVE_SIDECARS" {
                self.native_sidecars = Some(value != "false");
            }
            self.control_plane_env
                .push((name.to_owned(), value.to_owned()));
            return Ok(());
        }
        let slot = match key {
            "values.global.proxy.logLevel" => &mut self.proxy_log_level,
            "values.global.proxy.includeIPRanges" => &mut self.include_ip_ranges,
            "values.global.proxy.excludeIPRanges" => &mut self.exclude_ip_ranges,
            _ => return Err(SetError::UnknownKey(key.to_owned())),
        };
        *slot = Some(value.to_owned());
        Ok(())
    }

    /// Lays the mesh config settings over `mesh`.
    pub fn overlay_mesh_config(&self, mesh: &mut Value) {
        for (path, value) in &self.mesh_config {
            put(mesh, path, value.clone());
        }
    }

    /// Lays the injection settings over `settings`.
    pub fn overlay_injection(&self, settings: &mut InjectSettings) {
        let text = |slot: &mut String, value: &Option<String>| {
            if let Some(value) = value {
                slot.clone_from(value);
            }
        };
        text(&mut settings.log_level, &self.proxy_log_level);
        text(&mut settings.include_ip_ranges, &self.include_ip_ranges);
        text(&mut settings.exclude_ip_ranges, &self.exclude_ip_ranges);
        if let Some(native) = self.native_sidecars {
            settings.native_sidecars = native;
        }
    }
}

/// As YAML would read the value: numbers and truth values are no text.
fn typed(value: &str) -> Value {
    serde_yaml_ng::from_str(value).unwrap_or_else(|_| Value::from(value))
}

fn put(target: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *target = value;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Some(map) = target.as_object_mut() {
        put(map.entry(first.clone()).or_insert(Value::Null), rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mesh_config_values_are_typed_and_nested() {
        let pairs = [
            "meshConfig.enableAutoMtls=false",
            "meshConfig.defaultConfig.concurrency=2",
        ];
        let values = SetValues::parse(&pairs.map(str::to_owned)).expect("valid");
        let mut mesh = json!({"defaultConfig": {"holdApplicationUntilProxyStarts": true}});
        values.overlay_mesh_config(&mut mesh);
        let expected = json!({"enableAutoMtls": false, "defaultConfig":
            {"concurrency": 2, "holdApplicationUntilProxyStarts": true}});
        assert_eq!(mesh, expected);
    }

    #[test]
    fn an_unknown_key_is_refused_with_those_that_exist() {
        let error = SetValues::parse(&["values.kiali=true".to_owned()]).expect_err("unknown");
        assert!(
            error.to_string().contains("values.pilot.env.NAME"),
            "{error}"
        );
    }
}
