//! Everything the agent is told, read once at start.
//!
//! In: the role from the command line, flags, the environment of the proxy container and the files
//! of the downward API. Out: [`Settings`]. Names and defaults are those of Istio's agent, so that a
//! pod written for it runs unchanged. Nothing else in the crate reads the environment.

mod certificates;
mod control_plane;
mod dns;
mod downward;
mod environment;
mod probes;
mod proxy_config;
mod status;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use certificates::{CertificateSettings, KeyAlgorithm};
pub use control_plane::{ControlPlaneSettings, ServerAddress, TrustedRoots};
pub use dns::DnsSettings;
pub use environment::{Environment, SettingsError};
pub use probes::{AppProbe, HttpProbe, ProbeKind};
pub use proxy_config::{ProxyConfig, parse_duration};
pub use status::{ScrapeSettings, StatusSettings};

use crate::node::NodeSettings;

/// What Istio's control plane is told about our version: the release whose behaviour is followed.
pub const FOLLOWED_ISTIO_VERSION: &str = "1.30.3";

/// What the proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Beside one workload.
    Sidecar,
    /// A gateway.
    Router,
}

impl Role {
    /// The first part of the node id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
        }
    }
}

/// Which data plane the agent serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataPlane {
    /// Ours, in the same process.
    Own,
    /// A stock Envoy in a process of its own.
    Envoy {
        /// The binary.
        path: PathBuf,
    },
}

/// What the command line says; `None` where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// `--domain`: `<namespace>.svc.<cluster domain>`.
    pub domain: Option<String>,
    /// `--concurrency`.
    pub concurrency: Option<u32>,
    /// `--proxyLogLevel`.
    pub log_level: Option<String>,
    /// `--proxyComponentLogLevel`.
    pub component_log_level: Option<String>,
    /// `--data-plane`: `meshproxy` or `envoy`.
    pub data_plane: Option<String>,
    /// `--envoy-path`.
    pub envoy_path: Option<PathBuf>,
}

/// The agent's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder that relative paths start from; `/` in a container.
    pub root: PathBuf,
    /// Sidecar or gateway.
    pub role: Role,
    /// Which data plane.
    pub data_plane: DataPlane,
    /// Node id, metadata and all that they are made from.
    pub node: NodeSettings,
    /// Name of the pod.
    pub pod_name: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// All addresses of the pod, the first one is its name in the node id.
    pub addresses: Vec<IpAddr>,
    /// Where xDS comes from.
    pub discovery: ControlPlaneSettings,
    /// How the workload's certificate is come by.
    pub certificates: CertificateSettings,
    /// The DNS proxy; `None` when it is switched off.
    pub dns: Option<DnsSettings>,
    /// Status server, probes, metrics.
    pub status: StatusSettings,
    /// Worker threads of the data plane; 0 for one per core.
    pub concurrency: u32,
    /// Log level of the data plane.
    pub log_level: String,
    /// Levels of single components of a stock Envoy.
    pub component_log_level: String,
    /// How long a drain may take.
    pub termination_drain: Duration,
    /// Envoy's own drain time.
    pub drain: Duration,
    /// Incremental discovery.
    pub delta: bool,
    /// With `exit_on_zero_connections`: how long listeners stay open at least.
    pub minimum_drain: Duration,
    /// Wait until no connection is left, however long that takes, instead of for the drain time.
    pub exit_on_zero_connections: bool,
}

impl Settings {
    /// Reads everything.
    ///
    /// # Errors
    /// A value that cannot be read, with the name of its variable or flag.
    pub fn read(
        role: Role,
        arguments: &Arguments,
        variables: BTreeMap<String, String>,
    ) -> Result<Self, SettingsError> {
        environment::read(role, arguments, Environment::new(variables))
    }

    /// The file or folder for a path that may be relative to the root.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches("./"))
    }

    /// Folder of generated configuration; also holds the discovery socket.
    pub fn config_folder(&self) -> PathBuf {
        self.path(self.node.proxy_config.text("/configPath"))
    }

    /// Port of the admin interface, on the loopback address.
    pub fn admin_port(&self) -> u16 {
        self.node.proxy_config.port("/proxyAdminPort", 15000)
    }
}

#[cfg(test)]
mod tests;
