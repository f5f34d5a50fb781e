//! The status server: its port, probes and what it scrapes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::environment::wrong;
use super::{AppProbe, Environment, ProxyConfig, SettingsError, probes};

/// Settings of the status server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSettings {
    /// Its port; 0 for none.
    pub port: u16,
    /// Probes of the application by their path on this server.
    pub app_probes: BTreeMap<String, AppProbe>,
    /// The application's own metrics.
    pub scrape: Option<ScrapeSettings>,
}

/// Where the application serves metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeSettings {
    /// Port on the loopback address.
    pub port: u16,
    /// Path.
    pub path: String,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    scrape: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    port: String,
}

/// Ports of the agent and the proxy themselves: scraping those would scrape in a circle.
const OWN_PORTS: std::ops::RangeInclusive<u16> = 15000..=15099;

impl StatusSettings {
    pub(super) fn read(
        environment: &Environment,
        config: &ProxyConfig,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            port: config.port("/statusPort", 15020),
            app_probes: probes::read(environment)?,
            scrape: scrape(environment)?,
        })
    }
}

fn scrape(environment: &Environment) -> Result<Option<ScrapeSettings>, SettingsError> {
    const NAME: &str = "ISTIO_PROMETHEUS_ANNOTATIONS";
    const EXPECTED: &str = "JSON with scrape, path and port as text";
    let Some(text) = environment.find(NAME) else {
        return Ok(None);
    };
    let written: Written = serde_json::from_str(text).map_err(|_| wrong(NAME, text, EXPECTED))?;
    if written.scrape != "true" {
        return Ok(None);
    }
    let port = if written.port.is_empty() {
        "80"
    } else {
        &written.port
    };
    let port: u16 = port.parse().map_err(|_| wrong(NAME, text, EXPECTED))?;
    if OWN_PORTS.contains(&port) {
        return Err(wrong(
            NAME,
            text,
            "a port of the application, outside 15000 to 15099",
        ));
    }
    let path = if written.path.is_empty() {
        "/metrics"
    } else {
        &written.path
    };
    Ok(Some(ScrapeSettings {
        port,
        path: format!("/{}", path.trim_start_matches('/')),
    }))
}
