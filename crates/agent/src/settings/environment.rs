//! The environment, and how the settings are put together from it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::{
    Arguments, CertificateSettings, ControlPlaneSettings, DataPlane, DnsSettings,
    FOLLOWED_ISTIO_VERSION, ProxyConfig, Role, Settings, StatusSettings, downward, parse_duration,
};
use crate::node::NodeSettings;

/// A setting that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A variable or flag with a value of the wrong form.
    #[error("{name} is {value:?}: expected {expected}")]
    Value {
        /// Variable or flag.
        name: String,
        /// As given.
        value: String,
        /// What it should look like.
        expected: &'static str,
    },
    /// Envoy was asked for, but not where it is.
    #[error("the data plane `envoy` needs its binary: give --envoy-path FILE or set ENVOY_PATH")]
    NoEnvoy,
}

/// Variables by name. Empty values count as unset.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// These variables.
    pub fn new(variables: BTreeMap<String, String>) -> Self {
        Self { variables }
    }

    /// A variable's value.
    pub fn find(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// A variable's value or a default.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.find(name).unwrap_or(default).to_owned()
    }

    /// A truth value.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, SettingsError> {
        match self.find(name) {
            None => Ok(default),
            Some("true" | "1" | "t" | "TRUE" | "True") => Ok(true),
            Some("false" | "0" | "f" | "FALSE" | "False") => Ok(false),
            Some(value) => Err(wrong(name, value, "true or false")),
        }
    }

    /// A duration.
    pub(super) fn duration(
        &self,
        name: &str,
        default: Duration,
    ) -> Result<Duration, SettingsError> {
        const EXPECTED: &str = "a duration such as 30s or 1h30m";
        match self.find(name) {
            None => Ok(default),
            Some(text) => parse_duration(text).ok_or_else(|| wrong(name, text, EXPECTED)),
        }
    }

    /// Anything that can be parsed.
    pub(super) fn parse<T: std::str::FromStr>(
        &self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, SettingsError> {
        let parse = |text: &str| text.parse().map_err(|_| wrong(name, text, expected));
        self.find(name).map(parse).transpose()
    }

    /// Variables that begin with `prefix`, without it.
    pub(super) fn with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        let strip = |(name, value): (&String, &String)| {
            Some((name.strip_prefix(prefix)?.to_owned(), value.clone()))
        };
        self.variables.iter().filter_map(strip).collect()
    }
}

pub(super) fn wrong(name: &str, value: &str, expected: &'static str) -> SettingsError {
    SettingsError::Value {
        name: name.to_owned(),
        value: value.to_owned(),
        expected,
    }
}

pub(super) fn read(
    role: Role,
    arguments: &Arguments,
    mut environment: Environment,
) -> Result<Settings, SettingsError> {
    let root = PathBuf::from(environment.text("FERROMESH_ROOT", "/"));
    let annotations = downward::read(&root.join("etc/istio/pod/annotations"));
    let proxy_config = proxy_config(&environment, &annotations, arguments)?;
    // What the configuration adds to the environment is part of it from here on.
    for (name, value) in proxy_config.map("/proxyMetadata") {
        let unset = environment.find(name).is_none();
        if unset {
            environment
                .variables
                .insert(name.to_owned(), value.to_owned());
        }
    }
    let data_plane = data_plane(&environment, arguments)?;
    let addresses = addresses(&environment)?;
    let node = node(
        role,
        &environment,
        &root,
        &proxy_config,
        &addresses,
        annotations,
    );
    let node = with_identity(node, arguments, &environment, role, &data_plane);
    let config = &node.proxy_config;
    let seconds = |pointer: &str, default: u64| {
        config
            .duration(pointer)
            .unwrap_or(Duration::from_secs(default))
    };
    Ok(Settings {
        discovery: ControlPlaneSettings::discovery(&environment, &root, config)?,
        certificates: CertificateSettings::read(&environment, &root, config)?,
        dns: DnsSettings::read(&environment, role)?,
        status: StatusSettings::read(&environment, config)?,
        concurrency: concurrency(role, config, arguments),
        log_level: arguments
            .log_level
            .clone()
            .unwrap_or_else(|| "warning".to_owned()),
        component_log_level: arguments.component_log_level.clone().unwrap_or_default(),
        termination_drain: environment
            .parse(
                "TERMINATION_DRAIN_DURATION_SECONDS",
                "a whole number of seconds",
            )?
            .map_or_else(
                || seconds("/terminationDrainDuration", 5),
                Duration::from_secs,
            ),
        drain: seconds("/drainDuration", 45),
        delta: environment.flag("ISTIO_DELTA_XDS", true)?,
        minimum_drain: environment
            .parse(
                "MINIMUM_DRAIN_DURATION_SECONDS",
                "a whole number of seconds",
            )?
            .map_or(Duration::from_secs(5), Duration::from_secs),
        exit_on_zero_connections: environment.flag("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", false)?,
        pod_name: environment.text("POD_NAME", ""),
        namespace: environment.text("POD_NAMESPACE", "default"),
        addresses,
        root,
        role,
        data_plane,
        node,
    })
}

/// Defaults, then `PROXY_CONFIG`, then the pod's annotation, then the command line.
fn proxy_config(
    environment: &Environment,
    annotations: &BTreeMap<String, String>,
    arguments: &Arguments,
) -> Result<ProxyConfig, SettingsError> {
    let mut config = ProxyConfig::default();
    let sources = [
        ("PROXY_CONFIG", environment.find("PROXY_CONFIG")),
        (
            "the annotation proxy.istio.io/config",
            annotations.get("proxy.istio.io/config").map(String::as_str),
        ),
    ];
    for (name, text) in sources {
        let Some(text) = text else { continue };
        const EXPECTED: &str = "a ProxyConfig in YAML or JSON";
        let parsed = ferromesh_proto::yaml::json_from_yaml(text);
        let parsed: Value = parsed.map_err(|_| wrong(name, text, EXPECTED))?;
        config.overlay(&parsed);
    }
    if let Some(concurrency) = arguments.concurrency {
        config.set("concurrency", concurrency);
    }
    Ok(config)
}

fn data_plane(
    environment: &Environment,
    arguments: &Arguments,
) -> Result<DataPlane, SettingsError> {
    let from_flag = arguments.data_plane.as_deref();
    match from_flag.or_else(|| environment.find("FERROMESH_DATA_PLANE")) {
        None | Some("meshproxy") => Ok(DataPlane::Own),
        Some("envoy") => {
            let from_environment = environment.find("ENVOY_PATH").map(PathBuf::from);
            let path = arguments.envoy_path.clone().or(from_environment);
            Ok(DataPlane::Envoy {
                path: path.ok_or(SettingsError::NoEnvoy)?,
            })
        }
        Some(other) => Err(wrong("--data-plane", other, "`meshproxy` or `envoy`")),
    }
}

/// `INSTANCE_IPS` (comma separated) where a platform gives several, else `INSTANCE_IP`.
fn addresses(environment: &Environment) -> Result<Vec<IpAddr>, SettingsError> {
    let name = if environment.find("INSTANCE_IPS").is_some() {
        "INSTANCE_IPS"
    } else {
        "INSTANCE_IP"
    };
    let text = environment.text(name, "127.0.0.1");
    let parse = |part: &str| {
        part.trim()
            .parse()
            .map_err(|_| wrong(name, part, "an IP address"))
    };
    text.split(',').map(parse).collect()
}

fn node(
    role: Role,
    environment: &Environment,
    root: &Path,
    proxy_config: &ProxyConfig,
    addresses: &[IpAddr],
    annotations: BTreeMap<String, String>,
) -> NodeSettings {
    let host = proxy_config
        .text("/discoveryAddress")
        .rsplit_once(':')
        .map(|(host, _)| host);
    let port = |name: &str, default| {
        environment
            .find(name)
            .and_then(|port| port.parse().ok())
            .unwrap_or(default)
    };
    NodeSettings {
        id: role.name().to_owned(),
        proxy_config: proxy_config.clone(),
        environment: environment.variables.clone(),
        labels: downward::read(&root.join("etc/istio/pod/labels")),
        annotations,
        instance_ips: addresses.to_vec(),
        pilot_names: host.map(str::to_owned).into_iter().collect(),
        outlier_log_path: environment.text("ISTIO_META_OUTLIER_LOG_PATH", ""),
        prometheus_port: port("ENVOY_PROMETHEUS_PORT", 15090),
        readiness_port: port("ENVOY_STATUS_PORT", 15021),
        secure_metrics_port: port("ENVOY_SECURE_METRICS_PORT", 0),
        secure_merged_metrics_port: port("ENVOY_SECURE_MERGED_METRICS_PORT", 0),
        workload_socket_file: environment.text("WORKLOAD_IDENTITY_SOCKET_FILE", "socket"),
        istio_version: FOLLOWED_ISTIO_VERSION.to_owned(),
    }
}

/// Fills in the node id, and says which data plane this is.
fn with_identity(
    mut node: NodeSettings,
    arguments: &Arguments,
    environment: &Environment,
    role: Role,
    data_plane: &DataPlane,
) -> NodeSettings {
    let namespace = environment.text("POD_NAMESPACE", "default");
    let default_domain = || format!("{namespace}.svc.cluster.local");
    let domain = arguments.domain.clone().unwrap_or_else(default_domain);
    let pod = environment.text("POD_NAME", "unknown");
    let address = node
        .instance_ips
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    // The flag may come with an unexpanded reference when the pod is run without a platform.
    let domain = domain.replace("$(POD_NAMESPACE)", &namespace);
    node.id = format!("{}~{address}~{pod}.{namespace}~{domain}", role.name());
    let (key, value) = match data_plane {
        DataPlane::Own => ("ISTIO_META_FERROMESH_VERSION", env!("CARGO_PKG_VERSION")),
        DataPlane::Envoy { .. } => ("ISTIO_META_FERROMESH_STOCK_ENVOY", "true"),
    };
    node.environment.insert(key.to_owned(), value.to_owned());
    node
}

/// Istio's default for sidecars is two threads; no more than there are cores.
fn concurrency(role: Role, config: &ProxyConfig, arguments: &Arguments) -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
    let configured = config.number("/concurrency").map(|number| number as u32);
    match arguments.concurrency.or(configured) {
        Some(0) => cores,
        Some(number) => number,
        None if role == Role::Sidecar => cores.min(2),
        None => cores,
    }
}
