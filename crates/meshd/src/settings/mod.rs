//! The settings of the process: flags and environment, read once at the start.
//!
//! The environment variables are Istio's. Nothing else in this crate reads the environment.

mod duration;
mod flags;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ferromesh_ca::AuthoritySettings;
use ferromesh_runtime::DebounceSettings;
use ferromesh_types::ClusterId;

pub(crate) use flags::{Cli, Command, Discovery};

/// Everything that the process was told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) config: Vec<PathBuf>,
    pub(crate) status: Vec<PathBuf>,
    pub(crate) state: PathBuf,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) token_key: Option<PathBuf>,
    pub(crate) token_audiences: Vec<String>,
    pub(crate) domain: String,
    pub(crate) cluster: ClusterId,
    pub(crate) addresses: Addresses,
    pub(crate) serving_names: Vec<String>,
    pub(crate) push: PushSettings,
    pub(crate) authority: AuthoritySettings,
    pub(crate) access: AccessSettings,
}

/// Where the process listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    /// xDS and certificates without TLS.
    pub(crate) plaintext: SocketAddr,
    /// xDS and certificates with TLS.
    pub(crate) tls: SocketAddr,
    /// Metrics.
    pub(crate) monitoring: SocketAddr,
    /// Readiness and debug pages.
    pub(crate) debug: SocketAddr,
}

/// How changes become pushes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PushSettings {
    /// `PILOT_DEBOUNCE_AFTER`, `PILOT_DEBOUNCE_MAX`.
    pub(crate) debounce: DebounceSettings,
    /// `PILOT_ENABLE_EDS_DEBOUNCE`: whether changes of endpoints wait as well.
    pub(crate) debounce_endpoints: bool,
    /// `PILOT_PUSH_THROTTLE`: how many proxies are worked on at once.
    pub(crate) throttle: usize,
}

/// Who may do what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessSettings {
    /// `XDS_AUTH`: the TLS port wants a token or a client certificate.
    pub(crate) tls_port: bool,
    /// `XDS_AUTH_PLAINTEXT`: so does the other.
    pub(crate) plaintext_port: bool,
    /// `PILOT_ENABLE_XDS_IDENTITY_CHECK`: the caller must be the proxy that it says it is.
    pub(crate) identity: bool,
    /// `ENABLE_DEBUG_ENDPOINT_AUTH`: debug pages are for this machine only, or want a token.
    pub(crate) debug_pages: bool,
}

/// A setting that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{name}={value:?}: {problem}")]
pub(crate) struct SettingError {
    name: &'static str,
    value: String,
    problem: String,
}

/// Reads variables with defaults.
struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    fn text(&self, name: &'static str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, SettingError> {
        let Some(value) = self.text(name) else {
            return Ok(default);
        };
        parse(&value).map_err(|problem| SettingError {
            name,
            value,
            problem,
        })
    }

    fn duration(&self, name: &'static str, default: Duration) -> Result<Duration, SettingError> {
        self.parsed(name, default, duration::parse)
    }

    fn flag(&self, name: &'static str, default: bool) -> Result<bool, SettingError> {
        self.parsed(name, default, |value| match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err("write true or false".to_owned()),
        })
    }

    fn list(&self, name: &'static str) -> Vec<String> {
        let value = self.text(name).unwrap_or_default();
        value
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

impl Settings {
    /// Puts flags and environment together. `read` gives the value of a variable.
    pub(crate) fn new(
        flags: Discovery,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingError> {
        let environment = Environment(read);
        let system = environment
            .text("POD_NAMESPACE")
            .unwrap_or_else(|| "istio-system".to_owned());
        let mut serving_names = vec![
            format!("istiod.{system}.svc"),
            format!("istiod.{system}.svc.{}", flags.domain),
            format!("istiod.{system}"),
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
        ];
        serving_names.extend(environment.list("ISTIOD_CUSTOM_HOST"));
        serving_names.extend(flags.serving_names.iter().cloned());
        let mut token_audiences = environment.list("TOKEN_AUDIENCES");
        if token_audiences.is_empty() {
            token_audiences.push(ferromesh_ca::token::AUDIENCE.to_owned());
        }
        let cluster = environment.text("CLUSTER_ID");
        Ok(Self {
            addresses: addresses(&flags),
            config: flags.config,
            status: flags.status,
            state: flags.state,
            ca: flags.ca,
            token_key: flags.token_key,
            token_audiences,
            domain: flags.domain,
            cluster: ClusterId::from(cluster.unwrap_or_else(|| "Kubernetes".to_owned())),
            serving_names,
            push: push_settings(&environment)?,
            authority: authority_settings(&environment)?,
            access: AccessSettings {
                tls_port: environment.flag("XDS_AUTH", true)?,
                plaintext_port: environment.flag("XDS_AUTH_PLAINTEXT", false)?,
                identity: environment.flag("PILOT_ENABLE_XDS_IDENTITY_CHECK", true)?,
                debug_pages: environment.flag("ENABLE_DEBUG_ENDPOINT_AUTH", true)?,
            },
        })
    }
}

fn addresses(flags: &Discovery) -> Addresses {
    let at = |address: IpAddr, port: u16| SocketAddr::new(address, port);
    Addresses {
        plaintext: at(flags.plaintext_address, flags.plaintext_port),
        tls: at(flags.listen_address, flags.tls_port),
        monitoring: at(flags.listen_address, flags.monitoring_port),
        debug: at(flags.listen_address, flags.debug_port),
    }
}

fn push_settings(environment: &Environment<'_>) -> Result<PushSettings, SettingError> {
    // Istio's own rule for the default: fifteen per processor, a hundred at most.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let throttle = environment.parsed("PILOT_PUSH_THROTTLE", 0, |value| {
        value
            .parse::<usize>()
            .map_err(|_| "write a number, 0 for the default".to_owned())
    })?;
    Ok(PushSettings {
        debounce: DebounceSettings {
            quiet: environment.duration("PILOT_DEBOUNCE_AFTER", Duration::from_millis(100))?,
            max: environment.duration("PILOT_DEBOUNCE_MAX", Duration::from_secs(10))?,
        },
        debounce_endpoints: environment.flag("PILOT_ENABLE_EDS_DEBOUNCE", true)?,
        throttle: if throttle == 0 {
            (15 * processors).min(100)
        } else {
            throttle
        },
    })
}

fn authority_settings(environment: &Environment<'_>) -> Result<AuthoritySettings, SettingError> {
    let usual = AuthoritySettings::default();
    Ok(AuthoritySettings {
        default_lifetime: environment
            .duration("DEFAULT_WORKLOAD_CERT_TTL", usual.default_lifetime)?,
        max_lifetime: environment.duration("MAX_WORKLOAD_CERT_TTL", usual.max_lifetime)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingError> {
        let cli = Cli::parse_from(["meshd", "discovery", "--config-dir", "/etc/mesh"]);
        let Command::Discovery(flags) = cli.command else {
            panic!("discovery was asked for");
        };
        let find = |name: &str| {
            let pair = variables.iter().find(|(known, _)| *known == name);
            pair.map(|(_, value)| (*value).to_owned())
        };
        Settings::new(*flags, &find)
    }

    #[test]
    fn without_variables_istios_defaults_hold() {
        let settings = read(&[]).expect("defaults");
        assert_eq!(settings.push.debounce.quiet, Duration::from_millis(100));
        assert_eq!(settings.push.debounce.max, Duration::from_secs(10));
        assert!(settings.push.debounce_endpoints && settings.push.throttle > 0);
        assert!(settings.addresses.plaintext.ip().is_loopback());
        assert_eq!(settings.addresses.tls.port(), 15012);
        assert_eq!(settings.token_audiences, ["istio-ca"]);
    }

    #[test]
    fn variables_are_read_and_a_bad_one_is_named() {
        let settings = read(&[
            ("PILOT_DEBOUNCE_AFTER", "20ms"),
            ("PILOT_PUSH_THROTTLE", "7"),
            ("ISTIOD_CUSTOM_HOST", "mesh.example.com, other"),
        ])
        .expect("readable");
        assert_eq!(settings.push.debounce.quiet, Duration::from_millis(20));
        assert_eq!(settings.push.throttle, 7);
        assert!(
            settings
                .serving_names
                .contains(&"mesh.example.com".to_owned())
        );
        let error = read(&[("XDS_AUTH", "perhaps")]).expect_err("unreadable");
        assert!(
            error.to_string().starts_with("XDS_AUTH=\"perhaps\""),
            "{error}"
        );
    }
}
