//! Secrets that are files: Istio's names `file-cert:CHAIN~KEY`, `file-root:BUNDLE` and
//! `file-root:system`.
//!
//! A stock Envoy gets them from the agent by SDS; here they are read in place. Files are looked at
//! again from time to time, and a secret is replaced when one of its files has changed.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::SystemTime;

use ferromesh_tls::{Identity, Secret, SecretStore, TlsError, TrustedRoots};
use ferromesh_types::Str;
use thiserror::Error;
use tracing::warn;

/// What tells that a file has changed: its time and length.
type Stamp = Vec<(SystemTime, u64)>;

/// The files that accepted config names.
#[derive(Debug, Default)]
pub(super) struct FileSecrets {
    names: BTreeSet<Str>,
    /// What was tried last, whether it worked or not.
    stamps: HashMap<Str, Stamp>,
}

#[derive(Debug, Error)]
enum FileSecretError {
    #[error("{path}: {source}")]
    Read {
        path: String,
        source: std::io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The parts of a name.
enum Source<'a> {
    Certificate { chain: &'a str, key: &'a str },
    Roots(&'a str),
    SystemRoots,
}

impl<'a> Source<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        if let Some(files) = name.strip_prefix("file-cert:") {
            let (chain, key) = files.split_once('~')?;
            return Some(Self::Certificate { chain, key });
        }
        match name.strip_prefix("file-root:")? {
            "system" => Some(Self::SystemRoots),
            bundle => Some(Self::Roots(bundle)),
        }
    }

    fn files(&self) -> Vec<&'a str> {
        match self {
            Self::Certificate { chain, key } => vec![chain, key],
            Self::Roots(bundle) => vec![bundle],
            Self::SystemRoots => Vec::new(),
        }
    }

    fn load(&self) -> Result<Secret, FileSecretError> {
        Ok(match self {
            Self::Certificate { chain, key } => {
                Identity::from_pem(&read(chain)?, &read(key)?)?.into()
            }
            Self::Roots(bundle) => TrustedRoots::from_pem(&read(bundle)?)?.into(),
            Self::SystemRoots => TrustedRoots::system()?.into(),
        })
    }
}

fn read(path: &str) -> Result<Vec<u8>, FileSecretError> {
    std::fs::read(path).map_err(|source| FileSecretError::Read {
        path: path.to_owned(),
        source,
    })
}

impl FileSecrets {
    /// Makes those of `names` that are files the ones to follow.
    pub(super) fn follow<'a>(&mut self, names: impl Iterator<Item = &'a Str>) {
        let files = names.filter(|name| Source::parse(name).is_some());
        self.names = files.cloned().collect();
        let names = &self.names;
        self.stamps.retain(|name, _| names.contains(name));
    }

    /// Reads what is new or has changed into `store`.
    pub(super) fn refresh(&mut self, store: &SecretStore) {
        for name in &self.names {
            let Some(source) = Source::parse(name) else {
                continue;
            };
            let stamp: Stamp = source.files().into_iter().filter_map(stamp).collect();
            if self.stamps.get(name) == Some(&stamp) {
                continue;
            }
            match source.load() {
                Ok(secret) => store.set(name, secret),
                // The last good one, if there is one, stays.
                Err(error) => warn!(secret = %name, %error, "secret cannot be read from its files"),
            }
            self.stamps.insert(name.clone(), stamp);
        }
    }
}

fn stamp(path: &str) -> Option<(SystemTime, u64)> {
    let metadata = Path::new(path).metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_follows_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let name = Str::from(format!("file-root:{}", path.display()));
        let store = SecretStore::new();
        let mut files = FileSecrets::default();
        files.follow([&name, &Str::from("ROOTCA")].into_iter());
        files.refresh(&store);
        assert!(store.find(&name).is_none());
        let certificate = || {
            let names = ["a.example".to_owned()];
            rcgen::generate_simple_self_signed(names)
                .expect("generated")
                .cert
                .pem()
        };
        std::fs::write(&path, certificate()).expect("written");
        files.refresh(&store);
        let first = store.find(&name).expect("read");
        files.refresh(&store);
        let same = store.find(&name).expect("still there");
        assert!(std::sync::Arc::ptr_eq(&first, &same));
        std::fs::write(&path, certificate() + &certificate()).expect("written");
        files.refresh(&store);
        let second = store.find(&name).expect("replaced");
        assert!(!std::sync::Arc::ptr_eq(&first, &second));
        std::fs::write(&path, "no certificate").expect("written");
        files.refresh(&store);
        assert!(store.find(&name).is_some());
    }
}
