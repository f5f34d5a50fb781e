//! Volumes.

use serde::Deserialize;

use super::{FieldRef, ResourceFieldRef};

/// One volume; exactly one source is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// Name that mounts refer to.
    pub name: String,
    /// Scratch space that lives as long as the pod.
    pub empty_dir: Option<EmptyDir>,
    /// Keys of a ConfigMap as files.
    pub config_map: Option<MapSource>,
    /// Keys of a Secret as files.
    pub secret: Option<SecretSource>,
    /// Several sources in one directory.
    pub projected: Option<Projected>,
    /// Fields of the pod as files.
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<DownwardSource>,
    /// A directory of the host.
    pub host_path: Option<HostPath>,
    /// Kinds of volume that are not supported, by their key.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Scratch space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmptyDir {
    /// `Memory` or empty.
    pub medium: String,
}

/// A directory or file of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostPath {
    /// Path on the host.
    pub path: String,
    /// `DirectoryOrCreate` creates it; others must exist.
    pub r#type: String,
}

/// Files of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MapSource {
    /// Name of the object.
    pub name: String,
    /// Which keys, under which paths; empty is all.
    pub items: Vec<KeyPath>,
    /// Whether its absence is fine.
    pub optional: bool,
    /// File mode.
    pub default_mode: Option<u32>,
}

/// Files of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretSource {
    /// Name of the object (in `volumes`).
    pub secret_name: String,
    /// Name of the object (in `projected`).
    pub name: String,
    /// Which keys, under which paths; empty is all.
    pub items: Vec<KeyPath>,
    /// Whether its absence is fine.
    pub optional: bool,
    /// File mode.
    pub default_mode: Option<u32>,
}

/// One key and the file it becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyPath {
    /// Key in the object.
    pub key: String,
    /// Path in the volume.
    pub path: String,
    /// File mode.
    pub mode: Option<u32>,
}

/// Several sources in one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Projected {
    /// The sources.
    pub sources: Vec<ProjectedSource>,
    /// File mode.
    pub default_mode: Option<u32>,
}

/// One source of a projected volume; exactly one member is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedSource {
    /// A service-account token.
    pub service_account_token: Option<TokenSource>,
    /// Keys of a ConfigMap.
    pub config_map: Option<MapSource>,
    /// Keys of a Secret.
    pub secret: Option<SecretSource>,
    /// Fields of the pod.
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<DownwardSource>,
    /// Sources that are not supported, by their key.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// A token of the pod's service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenSource {
    /// Who the token is meant for.
    pub audience: String,
    /// Life time; 0 is an hour.
    pub expiration_seconds: u64,
    /// Path in the volume.
    pub path: String,
}

/// Fields of the pod as files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DownwardSource {
    /// The files.
    pub items: Vec<DownwardFile>,
    /// File mode.
    pub default_mode: Option<u32>,
}

/// One field and the file it becomes; one of the two sources is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DownwardFile {
    /// Path in the volume.
    pub path: String,
    /// A field of the pod.
    pub field_ref: Option<FieldRef>,
    /// A request or limit of a container.
    pub resource_field_ref: Option<ResourceFieldRef>,
    /// File mode.
    pub mode: Option<u32>,
}
