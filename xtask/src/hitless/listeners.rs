//! Listeners that change, or go and come again, while the process stays: config over ADS.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::load::Load;
use super::process::{Config, Proxy};
use super::{BETWEEN, Settings, pause};
use crate::control_plane::{ControlPlane, Generation};
use crate::ports::free_address;

/// Changes in a round; each comes while the connections of the one before still drain.
const CHANGES: u32 = 10;

/// One listener whose filter chain is another one in each generation: connections of the old chain
/// end in order, new ones get the new chain.
pub fn update(
    settings: &Settings,
    binary: &Path,
    endpoint: SocketAddr,
) -> anyhow::Result<(u64, u64)> {
    let address = free_address()?;
    let (_runtime, plane) = plane(move |number| Generation {
        clusters: vec![cluster(endpoint)],
        listeners: vec![listener("web", address, number)],
        ..Generation::default()
    })?;
    let config = Config::dynamic(address, &plane.bootstrap());
    let _proxy = Proxy::start(binary, &config, &[])?;
    let load = Load::start(address)?;
    for _ in 0..settings.rounds * CHANGES {
        pause(BETWEEN / CHANGES);
        plane.change();
    }
    let counts = load.finish(settings.requests);
    ensure!(plane.refused() == 0, "the proxy refused a change");
    Ok(counts)
}

/// Two listeners of one process of which one or the other is there, or both, behind a proxy that
/// sends requests to both, as an instance's ports come and go in a mesh.
pub fn removal(
    settings: &Settings,
    binary: &Path,
    endpoint: SocketAddr,
) -> anyhow::Result<(u64, u64)> {
    let behind = [free_address()?, free_address()?];
    let (_runtime, plane) = plane(move |number| {
        let gone = match number % 4 {
            1 => Some(0),
            3 => Some(1),
            _ => None,
        };
        let present = behind
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != gone);
        Generation {
            clusters: vec![cluster(endpoint)],
            listeners: present
                .map(|(index, at)| listener(&format!("web-{index}"), *at, 0))
                .collect(),
            ..Generation::default()
        }
    })?;
    let config = Config::dynamic(behind[0], &plane.bootstrap());
    let _proxy = Proxy::start(binary, &config, &[])?;
    let address = free_address()?;
    let _front = Proxy::start(binary, &Config::new(address, &behind), &[])?;
    let load = Load::start(address)?;
    for _ in 0..settings.rounds * 4 {
        pause(BETWEEN);
        plane.change();
    }
    let counts = load.finish(settings.requests);
    ensure!(plane.refused() == 0, "the proxy refused a change");
    Ok(counts)
}

fn plane(
    generations: impl Fn(u64) -> Generation + Send + Sync + 'static,
) -> anyhow::Result<(Runtime, ControlPlane)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("starting a runtime")?;
    let plane = runtime.block_on(ControlPlane::start(generations))?;
    Ok((runtime, plane))
}

fn cluster(endpoint: SocketAddr) -> Value {
    json!({
        "name": "backend",
        "type": "STATIC",
        "connectTimeout": "2s",
        "loadAssignment": {
            "clusterName": "backend",
            "endpoints": [{"lbEndpoints": [{"endpoint": {"address": address_of(endpoint)}}]}],
        },
    })
}

fn address_of(at: SocketAddr) -> Value {
    json!({"socketAddress": {"address": at.ip().to_string(), "portValue": at.port()}})
}

fn listener(name: &str, at: SocketAddr, number: u64) -> Value {
    let router = json!({"name": "envoy.filters.http.router", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    }});
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "backend"}});
    let manager = json!({"name": "envoy.filters.network.http_connection_manager", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "statPrefix": format!("web-{number}"),
        "routeConfig": {
            "name": "routes",
            "virtualHosts": [{"name": "all", "domains": ["*"], "routes": [route]}],
        },
        "httpFilters": [router],
    }});
    json!({
        "name": name,
        "address": address_of(at),
        "filterChains": [{"filters": [manager]}],
    })
}
