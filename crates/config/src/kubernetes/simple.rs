//! Kinds without a structure of their own: Namespace, ServiceAccount, ConfigMap, Secret.

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;

/// A namespace; all that counts is in its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Namespace {}

/// A service account; all that counts is in its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ServiceAccount {}

/// Texts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMap {
    /// The texts.
    pub data: BTreeMap<Str, Str>,
    /// Bytes in base64.
    pub binary_data: BTreeMap<Str, Str>,
}

/// Secret bytes by name.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Secret {
    /// The type, as in `kubernetes.io/tls`.
    pub r#type: Str,
    /// The bytes in base64.
    pub data: BTreeMap<Str, Str>,
    /// The bytes as text; wins over `data`.
    pub string_data: BTreeMap<Str, Str>,
}

impl std::fmt::Debug for Secret {
    /// Names only: what is inside must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("type", &self.r#type)
            .field("data", &self.data.keys().collect::<Vec<_>>())
            .field("string_data", &self.string_data.keys().collect::<Vec<_>>())
            .finish()
    }
}
