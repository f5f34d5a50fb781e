//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The control plane of a Ferromesh service mesh.
#[derive(Debug, Parser)]
#[command(name = "meshd", version, about)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read config, serve xDS and sign certificates.
    Discovery(Box<Discovery>),
    /// Print the version.
    Version,
}

/// Flags of `discovery`.
#[derive(Debug, Args)]
pub(crate) struct Discovery {
    /// A directory of Kubernetes and Istio YAML; may be given several times.
    #[arg(long = "config-dir", value_name = "DIR", required = true)]
    pub(crate) config: Vec<PathBuf>,
    /// A directory that a machine writes; its objects win over those of config directories.
    #[arg(long = "status-dir", value_name = "DIR")]
    pub(crate) status: Vec<PathBuf>,
    /// Where state that outlives the process is kept: the root certificate and its key.
    #[arg(
        long = "state-dir",
        value_name = "DIR",
        default_value = "/var/lib/ferromesh"
    )]
    pub(crate) state: PathBuf,
    /// A directory with a CA of your own (ca-cert.pem, ca-key.pem, root-cert.pem,
    /// cert-chain.pem).
    #[arg(long = "ca-dir", value_name = "DIR")]
    pub(crate) ca: Option<PathBuf>,
    /// The public key (PEM, ES256) that service-account tokens are verified with.
    #[arg(long = "token-public-key", value_name = "FILE")]
    pub(crate) token_key: Option<PathBuf>,
    /// The address of the TLS, metrics and debug ports.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub(crate) listen_address: IpAddr,
    /// The address of the plaintext xDS port.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) plaintext_address: IpAddr,
    /// The plaintext xDS port.
    #[arg(long, value_name = "PORT", default_value_t = 15010)]
    pub(crate) plaintext_port: u16,
    /// The TLS xDS port.
    #[arg(long, value_name = "PORT", default_value_t = 15012)]
    pub(crate) tls_port: u16,
    /// The port of /metrics.
    #[arg(long, value_name = "PORT", default_value_t = 15014)]
    pub(crate) monitoring_port: u16,
    /// The port of /ready and /debug.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) debug_port: u16,
    /// Another name that the TLS port is reached under; may be given several times.
    #[arg(long = "serving-name", value_name = "NAME")]
    pub(crate) serving_names: Vec<String>,
    /// The DNS domain of the cluster.
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub(crate) domain: String,
    /// What is logged, as in RUST_LOG.
    #[arg(long = "log", value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
    /// Log lines as JSON.
    #[arg(long)]
    pub(crate) log_as_json: bool,
}
