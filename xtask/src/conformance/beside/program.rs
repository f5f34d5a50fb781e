//! The stage of one proxy: endpoints, logs, and the proxy itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::bootstrap::{Places, bootstrap, listener_name};
use super::endpoint::Running;
use super::row::Row;
use crate::conformance::proxy::Proxy;

/// Endpoints and logs of all rows for one proxy.
pub struct Stage {
    /// What stands behind each row.
    pub endpoints: Vec<Running>,
    /// Each row's access log.
    pub logs: Vec<PathBuf>,
}

impl Stage {
    /// Starts the endpoints.
    pub fn prepare(folder: &Path, rows: &[Row], certificates: &Path) -> anyhow::Result<Self> {
        let endpoints = rows
            .iter()
            .map(|row| Running::start(&row.endpoint, certificates));
        let logs = 0..rows.len();
        Ok(Self {
            endpoints: endpoints.collect::<Result<_, _>>()?,
            logs: logs
                .map(|index| folder.join(format!("row-{index}.log")))
                .collect(),
        })
    }

    /// The bootstrap for these rows.
    pub fn bootstrap(&self, rows: &[Row], certificates: &Path) -> serde_json::Value {
        let places = self.endpoints.iter().zip(&self.logs);
        let places = places.map(|(endpoint, log)| Places {
            endpoint: endpoint.address,
            log,
        });
        bootstrap(rows, &places.collect::<Vec<_>>(), certificates)
    }

    /// What differs from run to run in row `index`, and what it is called instead.
    pub fn names(&self, index: usize, listener: SocketAddr) -> Vec<(String, &'static str)> {
        vec![
            (listener.port().to_string(), "LISTENER"),
            (self.endpoints[index].address.port().to_string(), "ENDPOINT"),
        ]
    }
}

/// Where the proxy listens for each row.
pub fn listeners(proxy: &Proxy, rows: &[Row]) -> anyhow::Result<Vec<SocketAddr>> {
    let listener = |index| {
        let name = listener_name(index);
        let found = proxy.listeners.get(&name).copied();
        found.with_context(|| format!("{} has no listener {name}", proxy.name))
    };
    (0..rows.len()).map(listener).collect()
}
