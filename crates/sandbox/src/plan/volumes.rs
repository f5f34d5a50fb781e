//! What a pod's volumes hold. Pure: files go out as bytes, [`crate::volume_files`] writes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::fields::{self, Placement};
use crate::keyed::{KeyedKind, KeyedObjects, Keys};
use crate::kubernetes::{
    DownwardFile, KeyPath, MapSource, Pod, ProjectedSource, SecretSource, TokenSource, Volume,
};

/// The content of one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeContent {
    /// Empty at first, then the containers'.
    Scratch,
    /// Files that the sandbox writes and keeps up to date.
    Files(BTreeMap<String, VolumeFile>),
    /// A path of the host.
    Host {
        /// The path.
        path: PathBuf,
        /// Make a directory there if nothing is.
        create: bool,
    },
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its mode.
    pub mode: u32,
}

/// Why a volume cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// A ConfigMap or Secret that is not there (yet).
    #[error("volume {volume}: {kind} {name:?} is not in namespace {namespace}")]
    MissingObject {
        /// The volume.
        volume: String,
        /// Which kind.
        kind: KeyedKind,
        /// Its name.
        name: String,
        /// The pod's namespace.
        namespace: String,
    },
    /// A key that `items` names and the object lacks.
    #[error("volume {volume}: {kind} {name:?} has no key {key:?}")]
    MissingKey {
        /// The volume.
        volume: String,
        /// Which kind.
        kind: KeyedKind,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// A field of the pod that does not exist.
    #[error("volume {volume}: the pod has no field {path:?}")]
    UnknownField {
        /// The volume.
        volume: String,
        /// The path.
        path: String,
    },
    /// A path that would leave the volume.
    #[error("volume {volume}: the path {path:?} must be relative and without `..`")]
    BadPath {
        /// The volume.
        volume: String,
        /// The path.
        path: String,
    },
    /// No token can be issued.
    #[error("volume {volume}: cannot issue a service account token: {reason}")]
    Token {
        /// The volume.
        volume: String,
        /// Why.
        reason: String,
    },
}

/// Issues service-account tokens.
pub trait IssueToken {
    /// A token for the pod's service account.
    ///
    /// # Errors
    /// Says why there is none.
    fn issue(&self, pod: &Pod, audience: &str, seconds: u64) -> Result<String, String>;
}

/// Where volumes get their content.
pub struct VolumeSources<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// Where it runs.
    pub placement: &'a Placement,
    /// ConfigMaps and Secrets.
    pub objects: &'a KeyedObjects,
    /// Tokens.
    pub tokens: &'a dyn IssueToken,
}

/// The content of `volume`.
///
/// # Errors
/// When something that is not optional is missing.
pub fn content(volume: &Volume, sources: &VolumeSources<'_>) -> Result<VolumeContent, VolumeError> {
    if let Some(host) = &volume.host_path {
        return Ok(VolumeContent::Host {
            path: PathBuf::from(&host.path),
            create: host.r#type == "DirectoryOrCreate",
        });
    }
    let mut filling = Filling {
        volume: &volume.name,
        sources,
        files: BTreeMap::new(),
    };
    if let Some(map) = &volume.config_map {
        filling.config_map(map, map.default_mode)?;
    } else if let Some(secret) = &volume.secret {
        filling.secret(secret, secret.default_mode)?;
    } else if let Some(downward) = &volume.downward_api {
        filling.downward(&downward.items, downward.default_mode)?;
    } else if let Some(projected) = &volume.projected {
        for source in &projected.sources {
            filling.projected(source, projected.default_mode)?;
        }
    } else {
        // The API's default for a volume without a source.
        return Ok(VolumeContent::Scratch);
    }
    Ok(VolumeContent::Files(filling.files))
}

struct Filling<'a> {
    volume: &'a str,
    sources: &'a VolumeSources<'a>,
    files: BTreeMap<String, VolumeFile>,
}

/// One object to take keys from.
struct Wanted<'a> {
    kind: KeyedKind,
    name: &'a str,
    items: &'a [KeyPath],
    optional: bool,
}

impl Filling<'_> {
    fn projected(
        &mut self,
        source: &ProjectedSource,
        mode: Option<u32>,
    ) -> Result<(), VolumeError> {
        if let Some(token) = &source.service_account_token {
            self.token(token, mode)?;
        }
        if let Some(map) = &source.config_map {
            self.config_map(map, map.default_mode.or(mode))?;
        }
        if let Some(secret) = &source.secret {
            self.secret(secret, secret.default_mode.or(mode))?;
        }
        if let Some(downward) = &source.downward_api {
            self.downward(&downward.items, downward.default_mode.or(mode))?;
        }
        Ok(())
    }

    fn config_map(&mut self, map: &MapSource, mode: Option<u32>) -> Result<(), VolumeError> {
        let wanted = Wanted {
            kind: KeyedKind::ConfigMap,
            name: &map.name,
            items: &map.items,
            optional: map.optional,
        };
        self.keyed(&wanted, mode)
    }

    fn secret(&mut self, secret: &SecretSource, mode: Option<u32>) -> Result<(), VolumeError> {
        let name = if secret.secret_name.is_empty() {
            &secret.name
        } else {
            &secret.secret_name
        };
        let wanted = Wanted {
            kind: KeyedKind::Secret,
            name,
            items: &secret.items,
            optional: secret.optional,
        };
        self.keyed(&wanted, mode)
    }

    fn keyed(&mut self, wanted: &Wanted<'_>, mode: Option<u32>) -> Result<(), VolumeError> {
        let namespace = &self.sources.pod.metadata.namespace;
        let Some(keys) = self
            .sources
            .objects
            .find(wanted.kind, namespace, wanted.name)
        else {
            if wanted.optional {
                return Ok(());
            }
            return Err(VolumeError::MissingObject {
                volume: self.volume.to_owned(),
                kind: wanted.kind,
                name: wanted.name.to_owned(),
                namespace: namespace.clone(),
            });
        };
        if wanted.items.is_empty() {
            for (key, bytes) in keys {
                self.add(key, bytes.clone(), mode)?;
            }
            return Ok(());
        }
        for item in wanted.items {
            match self.item(keys, item, wanted)? {
                Some(bytes) => self.add(&item.path, bytes, item.mode.or(mode))?,
                None => continue,
            }
        }
        Ok(())
    }

    fn item(
        &self,
        keys: &Keys,
        item: &KeyPath,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Vec<u8>>, VolumeError> {
        match keys.get(&item.key) {
            Some(bytes) => Ok(Some(bytes.clone())),
            None if wanted.optional => Ok(None),
            None => Err(VolumeError::MissingKey {
                volume: self.volume.to_owned(),
                kind: wanted.kind,
                name: wanted.name.to_owned(),
                key: item.key.clone(),
            }),
        }
    }

    fn downward(&mut self, items: &[DownwardFile], mode: Option<u32>) -> Result<(), VolumeError> {
        let (pod, placement) = (self.sources.pod, self.sources.placement);
        for item in items {
            let (path, text) = match (&item.field_ref, &item.resource_field_ref) {
                (Some(field), _) => (
                    &field.field_path,
                    fields::field(pod, placement, &field.field_path),
                ),
                (None, Some(reference)) => {
                    let own = crate::kubernetes::Container::default();
                    (&reference.resource, fields::resource(&own, pod, reference))
                }
                (None, None) => (&item.path, None),
            };
            let text = text.ok_or_else(|| VolumeError::UnknownField {
                volume: self.volume.to_owned(),
                path: path.clone(),
            })?;
            self.add(&item.path, text.into_bytes(), item.mode.or(mode))?;
        }
        Ok(())
    }

    fn token(&mut self, token: &TokenSource, mode: Option<u32>) -> Result<(), VolumeError> {
        let seconds = if token.expiration_seconds == 0 {
            3600
        } else {
            token.expiration_seconds
        };
        let audience = match token.audience.as_str() {
            "" => "https://kubernetes.default.svc",
            audience => audience,
        };
        let issued = self
            .sources
            .tokens
            .issue(self.sources.pod, audience, seconds);
        let text = issued.map_err(|reason| VolumeError::Token {
            volume: self.volume.to_owned(),
            reason,
        })?;
        self.add(&token.path, text.into_bytes(), mode)
    }

    fn add(&mut self, path: &str, bytes: Vec<u8>, mode: Option<u32>) -> Result<(), VolumeError> {
        let escapes = path.is_empty()
            || path.starts_with('/')
            || path.split('/').any(|part| part == ".." || part == ".");
        if escapes {
            return Err(VolumeError::BadPath {
                volume: self.volume.to_owned(),
                path: path.to_owned(),
            });
        }
        let mode = mode.unwrap_or(0o644);
        self.files
            .insert(path.to_owned(), VolumeFile { bytes, mode });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use serde_json::json;

    struct Tokens;

    impl IssueToken for Tokens {
        fn issue(&self, pod: &Pod, audience: &str, seconds: u64) -> Result<String, String> {
            Ok(format!("{}/{audience}/{seconds}", pod.service_account()))
        }
    }

    fn filled(volume: serde_json::Value) -> Result<VolumeContent, VolumeError> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}}, "spec": {}
        }))
        .expect("a valid pod");
        let mut objects = KeyedObjects::default();
        let keys: Keys = [("k".to_owned(), b"v".to_vec())].into();
        objects.insert(KeyedKind::ConfigMap, "n", "m", keys);
        let placement = Placement {
            pod_ip: Ipv4Addr::new(10, 0, 0, 2),
            host_ip: Ipv4Addr::new(10, 0, 0, 1),
            node: "node-1".into(),
        };
        let sources = VolumeSources {
            pod: &pod,
            placement: &placement,
            objects: &objects,
            tokens: &Tokens,
        };
        content(
            &serde_json::from_value(volume).expect("a valid volume"),
            &sources,
        )
    }

    fn text(content: &VolumeContent, path: &str) -> Option<String> {
        let VolumeContent::Files(files) = content else {
            return None;
        };
        Some(String::from_utf8_lossy(&files.get(path)?.bytes).into_owned())
    }

    #[test]
    fn a_projected_volume_joins_its_sources() {
        let volume = filled(json!({"name": "x", "projected": {"sources": [
            {"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 60, "path": "t"}},
            {"configMap": {"name": "m", "items": [{"key": "k", "path": "sub/k"}]}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        ]}}))
        .expect("all there");
        assert_eq!(text(&volume, "t").as_deref(), Some("default/istio-ca/60"));
        assert_eq!(text(&volume, "sub/k").as_deref(), Some("v"));
        assert_eq!(text(&volume, "labels").as_deref(), Some("a=\"b\""));
    }

    #[test]
    fn a_missing_object_is_an_error_unless_it_is_optional() {
        let wanted = |optional: bool| {
            filled(json!({"name": "x", "secret": {"secretName": "s", "optional": optional}}))
        };
        assert_eq!(wanted(true), Ok(VolumeContent::Files(BTreeMap::new())));
        assert!(matches!(
            wanted(false),
            Err(VolumeError::MissingObject { .. })
        ));
    }

    #[test]
    fn a_file_cannot_leave_its_volume() {
        let volume = json!({"name": "x", "configMap": {"name": "m",
            "items": [{"key": "k", "path": "../../etc/passwd"}]}});
        assert!(matches!(filled(volume), Err(VolumeError::BadPath { .. })));
    }

    #[test]
    fn a_volume_without_a_source_is_scratch_space() {
        assert_eq!(filled(json!({"name": "x"})), Ok(VolumeContent::Scratch));
    }
}
