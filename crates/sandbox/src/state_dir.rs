//! A sandbox's directory on the host, `/run/ferromesh/NAME` by default.
//!
//! Who runs a sandbox holds the lock in it; the kernel gives the lock up when that process ends,
//! however it ends. So a directory without a held lock is what a killed run has left.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::names::SandboxName;

/// Where sandboxes keep their directories unless told otherwise.
pub const DEFAULT_BASE: &str = "/run/ferromesh";

/// The paths of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

/// What a sandbox notes about itself, for commands that run beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// The process that runs it.
    pub pid: u32,
    /// The directories of config.
    pub config_dirs: Vec<PathBuf>,
    /// `meshproxy` or `envoy`.
    pub data_plane: String,
}

/// A directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Somebody runs this sandbox.
    #[error(
        "sandbox {name:?} is running already: use another --name, or end it with \
         `meshctl sandbox down --name {name}`"
    )]
    Running {
        /// The sandbox.
        name: String,
    },
    /// It cannot be read or written.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Held by who runs the sandbox.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateDir {
    /// The directory of sandbox `name` below `base`.
    pub fn new(base: &Path, name: &SandboxName) -> Self {
        Self {
            root: base.join(name.as_str()),
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One directory per pod.
    pub fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// What the control plane is told about pods, services and nodes.
    pub fn status(&self) -> PathBuf {
        self.root.join("status")
    }

    /// What the control plane keeps.
    pub fn control_plane(&self) -> PathBuf {
        self.root.join("istiod")
    }

    /// The root certificate that the control plane has made.
    pub fn root_certificate(&self) -> PathBuf {
        self.control_plane().join("ca/root-cert.pem")
    }

    /// The private key that service-account tokens are signed with.
    pub fn token_key(&self) -> PathBuf {
        self.root.join("token-key.pem")
    }

    /// The public half.
    pub fn token_public_key(&self) -> PathBuf {
        self.root.join("token-public-key.pem")
    }

    /// Where a running sandbox answers.
    pub fn control_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// The messages of a sandbox that runs in the background.
    pub fn log(&self) -> PathBuf {
        self.root.join("sandbox.log")
    }

    fn record_file(&self) -> PathBuf {
        self.root.join("sandbox.json")
    }

    /// Makes the directory and takes the lock.
    ///
    /// # Errors
    /// When the sandbox is running, or the directory cannot be made.
    pub fn lock(&self, name: &SandboxName) -> Result<StateLock, StateDirError> {
        let fail = |source| StateDirError::Io {
            path: self.root.clone(),
            source,
        };
        fs::create_dir_all(&self.root).map_err(fail)?;
        // Keys, tokens and environments are in here.
        fs::set_permissions(&self.root, Permissions::from_mode(0o700)).map_err(fail)?;
        let file = File::create(self.root.join("lock")).map_err(fail)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(StateLock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StateDirError::Running {
                name: name.to_string(),
            }),
            Err(error) => Err(fail(error.into())),
        }
    }

    /// Whether somebody runs the sandbox.
    pub fn is_running(&self) -> bool {
        let Ok(file) = File::open(self.root.join("lock")) else {
            return false;
        };
        flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
    }

    /// Empties what one run needs; the certificate authority and the token key stay.
    ///
    /// # Errors
    /// When a directory cannot be removed or made.
    pub fn prepare(&self) -> Result<(), StateDirError> {
        for dir in [self.pods(), self.status()] {
            remove_tree(&dir)?;
        }
        for dir in [self.pods(), self.status(), self.control_plane()] {
            let made = fs::create_dir_all(&dir);
            made.map_err(|source| StateDirError::Io { path: dir, source })?;
        }
        Ok(())
    }

    /// Removes everything.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> Result<(), StateDirError> {
        remove_tree(&self.root)
    }

    /// Notes what commands beside the sandbox need to know.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_record(&self, record: &Record) -> Result<(), StateDirError> {
        let path = self.record_file();
        let text = serde_json::to_vec_pretty(record).map_err(io::Error::other);
        text.and_then(|text| fs::write(&path, text))
            .map_err(|source| StateDirError::Io { path, source })
    }

    /// Reads it back; `None` when there is none.
    pub fn read_record(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record_file()).ok()?).ok()
    }
}

/// The names of all sandboxes that have a directory below `base`.
pub fn sandboxes(base: &Path) -> Vec<SandboxName> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| SandboxName::parse(entry.file_name().to_str()?).ok())
        .collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names
}

fn remove_tree(dir: &Path) -> Result<(), StateDirError> {
    match fs::remove_dir_all(dir) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateDirError::Io {
            path: dir.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_of_the_same_name_is_refused_until_the_first_is_gone() {
        let base = tempfile::tempdir().expect("a temporary directory");
        let name = SandboxName::parse("demo").expect("a valid name");
        let state = StateDir::new(base.path(), &name);
        let lock = state.lock(&name).expect("free");
        assert!(state.is_running());
        assert!(matches!(
            state.lock(&name),
            Err(StateDirError::Running { .. })
        ));
        drop(lock);
        assert!(!state.is_running());
        assert_eq!(sandboxes(base.path()), [name]);
    }

    #[test]
    fn a_new_run_keeps_the_certificate_authority() {
        let base = tempfile::tempdir().expect("a temporary directory");
        let name = SandboxName::parse("demo").expect("a valid name");
        let state = StateDir::new(base.path(), &name);
        fs::create_dir_all(state.control_plane().join("ca")).expect("made");
        fs::write(state.root_certificate(), "root").expect("written");
        fs::create_dir_all(state.pods().join("old")).expect("made");
        state.prepare().expect("prepared");
        assert!(state.root_certificate().exists());
        assert!(!state.pods().join("old").exists());
    }
}
