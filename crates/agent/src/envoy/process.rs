//! Starting, watching and ending the process.

use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use thiserror::Error;
use tokio::process::{Child, Command};
use tracing::{info, warn};

use super::{EnvoyControl, arguments};
use crate::bootstrap::{Bootstrap, BootstrapSettings, generate};
use crate::data_plane::DataPlaneControl as _;
use crate::settings::Settings;

/// A custom bootstrap that is laid over ours.
const OVERRIDE: &str = "ISTIO_BOOTSTRAP_OVERRIDE";
/// How often connections are counted while draining.
const POLL: Duration = Duration::from_secs(1);
/// How long Envoy may take to leave once told to.
const EXIT: Duration = Duration::from_secs(5);

/// Why Envoy does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnvoyError {
    /// A file could not be written or read.
    #[error("{what} {path}: {reason}")]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What failed.
        reason: io::Error,
    },
    /// The binary could not be started.
    #[error("cannot start {path}: {reason}; check --envoy-path")]
    Start {
        /// The binary.
        path: PathBuf,
        /// What failed.
        reason: io::Error,
    },
    /// It ended without being told to.
    #[error("Envoy ended by itself: {0}")]
    Ended(ExitStatus),
    /// Its end could not be waited for.
    #[error("waiting for Envoy: {0}")]
    Wait(io::Error),
}

/// A running Envoy.
#[derive(Debug)]
pub struct EnvoyProcess {
    child: Child,
    control: EnvoyControl,
}

impl EnvoyProcess {
    /// Writes the bootstrap and starts the binary. Envoy's log goes to our standard error, its
    /// access log to our standard output.
    ///
    /// # Errors
    /// See [`EnvoyError`].
    pub fn start(binary: &Path, settings: &Settings) -> Result<Self, EnvoyError> {
        let file = write_bootstrap(settings)?;
        let overlay = overlay(settings)?;
        let arguments = arguments::arguments(settings, &file, overlay.as_deref());
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .current_dir(&settings.root)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn().map_err(|reason| EnvoyError::Start {
            path: binary.to_owned(),
            reason,
        })?;
        info!(pid = child.id(), bootstrap = %file.display(), "Envoy started");
        Ok(Self {
            child,
            control: EnvoyControl::new(settings.admin_port()),
        })
    }

    /// Resolves when Envoy ends without being told to.
    pub async fn ended(&mut self) -> EnvoyError {
        match self.child.wait().await {
            Ok(status) => EnvoyError::Ended(status),
            Err(error) => EnvoyError::Wait(error),
        }
    }

    /// Drains for at most the termination drain duration, then ends the process.
    pub async fn shut_down(mut self, settings: &Settings) {
        self.control.drain().await;
        let drained = self.drained(settings);
        if tokio::time::timeout(settings.termination_drain, drained)
            .await
            .is_ok()
        {
            info!("all connections are gone");
        }
        self.terminate();
        if tokio::time::timeout(EXIT, self.child.wait()).await.is_err() {
            warn!("Envoy did not leave in time; it is killed");
            // It may have left just now.
            let _ = self.child.kill().await;
        }
    }

    /// Without the wish to leave early, the whole time is waited: connections that are about to
    /// come in cannot be seen.
    async fn drained(&self, settings: &Settings) {
        if !settings.exit_on_zero_connections {
            return std::future::pending().await;
        }
        let mut poll = tokio::time::interval(POLL);
        loop {
            poll.tick().await;
            if self.control.active_connections().await == Ok(0) {
                return;
            }
        }
    }

    fn terminate(&self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else {
            return;
        };
        if let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::TERM) {
            warn!(%error, "Envoy could not be told to leave");
        }
    }
}

fn write_bootstrap(settings: &Settings) -> Result<PathBuf, EnvoyError> {
    let folder = settings.config_folder();
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |reason| EnvoyError::File { what, path, reason }
    };
    std::fs::create_dir_all(&folder).map_err(failed("creating the folder", &folder))?;
    let Bootstrap { document, files } = generate(&bootstrap_settings(settings));
    let file = folder.join("envoy-rev.json");
    let written = files
        .into_iter()
        .chain([(file.clone(), format!("{document:#}"))]);
    for (path, content) in written {
        write_private(&path, &content).map_err(failed("writing", &path))?;
    }
    Ok(file)
}

fn bootstrap_settings(settings: &Settings) -> BootstrapSettings {
    BootstrapSettings {
        node: settings.node.clone(),
        xds_socket: settings.config_folder().join("XDS"),
        files: settings.config_folder(),
        delta: settings.delta,
        log_as_json: false,
        exit_on_zero_connections: settings.exit_on_zero_connections,
    }
}

fn write_private(path: &Path, content: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content.as_bytes())
}

fn overlay(settings: &Settings) -> Result<Option<String>, EnvoyError> {
    let Some(path) = settings
        .node
        .environment
        .get(OVERRIDE)
        .filter(|path| !path.is_empty())
    else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path).map_err(|reason| EnvoyError::File {
        what: "reading the custom bootstrap",
        path: path.into(),
        reason,
    })?;
    Ok(Some(text))
}
