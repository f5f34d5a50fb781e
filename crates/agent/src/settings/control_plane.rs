//! How a gRPC server of the control plane is reached: discovery and the certificate authority.

use std::path::{Path, PathBuf};

use super::environment::wrong;
use super::{Environment, ProxyConfig, SettingsError};

/// `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Name or IP address; also the name that the certificate must hold.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl ServerAddress {
    /// Reads `host:port`; an IPv6 address stands in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = inner.unwrap_or(host);
        (!host.is_empty()).then_some(Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// What the server's certificate must chain to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedRoots {
    /// A PEM file, read again for every connection.
    File(PathBuf),
    /// The operating system's roots.
    System,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlaneSettings {
    /// Where it listens.
    pub address: ServerAddress,
    /// `None` for plain text.
    pub roots: Option<TrustedRoots>,
    /// File with the token that says who we are, read again for every call.
    pub token: PathBuf,
    /// Folder with `cert-chain.pem` and `key.pem` for machines outside the cluster.
    pub client_certificate: Option<PathBuf>,
    /// Sent as `clusterid`.
    pub cluster_id: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}

impl ControlPlaneSettings {
    /// The discovery server.
    pub(super) fn discovery(
        environment: &Environment,
        root: &Path,
        config: &ProxyConfig,
    ) -> Result<Self, SettingsError> {
        let text = config.text("/discoveryAddress");
        let plain = config.text("/controlPlaneAuthPolicy") == "NONE";
        Self::new(environment, root, ("discoveryAddress", text), plain, "XDS")
    }

    /// The certificate authority: `CA_ADDR`, else the discovery server.
    pub(super) fn authority(
        environment: &Environment,
        root: &Path,
        config: &ProxyConfig,
    ) -> Result<Self, SettingsError> {
        let discovery = config.text("/discoveryAddress");
        let text = environment.find("CA_ADDR").unwrap_or(discovery);
        Self::new(environment, root, ("CA_ADDR", text), false, "CA")
    }

    fn new(
        environment: &Environment,
        root: &Path,
        (name, text): (&str, &str),
        plain: bool,
        prefix: &str,
    ) -> Result<Self, SettingsError> {
        let address = ServerAddress::parse(text);
        let address = address.ok_or_else(|| wrong(name, text, "host:port"))?;
        // By convention this port speaks plain text.
        let plain = plain || address.port == 15010;
        let roots = match environment.find(&format!("{prefix}_ROOT_CA")) {
            Some("SYSTEM") => TrustedRoots::System,
            Some(path) => TrustedRoots::File(root.join(path.trim_start_matches("./"))),
            None => TrustedRoots::File(root.join("var/run/secrets/istio/root-cert.pem")),
        };
        let headers = environment.with_prefix(&format!("{prefix}_HEADER_"));
        let provided = environment.find("PROV_CERT");
        Ok(Self {
            address,
            roots: (!plain).then_some(roots),
            token: root.join("var/run/secrets/tokens/istio-token"),
            client_certificate: provided.map(|path| root.join(path.trim_start_matches("./"))),
            cluster_id: environment.text("ISTIO_META_CLUSTER_ID", "Kubernetes"),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase().replace('_', "-"), value))
                .collect(),
        })
    }
}
