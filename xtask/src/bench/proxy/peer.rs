//! The proxies that are compared, and starting one for a case.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use ferromesh_bench::process;

use super::case::{Case, Shape};
use super::envoy_config::{PairEnd, Wanted, bootstrap};
use super::peer_config;
use super::setup::Bench;
use crate::cores::{PROXY_CORE, Running};
use crate::ports::{address, free_port, wait_for};
use crate::setup;

/// A proxy that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Our own.
    Ferromesh,
    /// A bare TCP relay.
    Relay,
    /// The stock Envoy.
    Envoy,
    /// Debian's HAProxy.
    Haproxy,
    /// Debian's nginx.
    Nginx,
}

impl Peer {
    /// As report and JSON name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ferromesh => "ferromesh",
            Self::Relay => "relay",
            Self::Envoy => "envoy",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }

    /// Its program, where it is installed.
    pub fn program(self, bench: &Bench) -> Option<PathBuf> {
        match self {
            Self::Ferromesh => Some(bench.meshproxy.clone()),
            Self::Relay => Some(bench.driver.clone()),
            Self::Envoy => bench.envoy.clone(),
            Self::Haproxy => setup::find("haproxy"),
            Self::Nginx => setup::find("nginx"),
        }
    }
}

/// A proxy, or a pair of them, that serves a case.
pub struct Serving {
    /// Who.
    pub peer: Peer,
    /// Where requests go.
    pub port: u16,
    processes: Vec<Running>,
}

impl Serving {
    /// CPU time that its processes have used.
    pub fn cpu_time(&self) -> Duration {
        let each = self.processes.iter().map(Running::id);
        each.map(process::tree_cpu_time).sum()
    }

    /// The process that requests come to first.
    pub fn first_process(&self) -> Option<u32> {
        self.processes.last().map(Running::id)
    }

    /// Memory of its processes, in MiB.
    pub fn resident_mib(&self) -> f64 {
        let each = self.processes.iter().map(Running::id);
        each.map(process::tree_resident_bytes).sum::<u64>() as f64 / f64::from(1 << 20)
    }
}

/// Starts `peer` for `case`.
pub fn start(bench: &Bench, peer: Peer, program: &Path, case: &Case) -> anyhow::Result<Serving> {
    start_command(bench, peer, &[&program.display().to_string()], case)
}

/// Starts `peer` for `case` by a command, to whose end its own words are added.
pub fn start_command(
    bench: &Bench,
    peer: Peer,
    command: &[&str],
    case: &Case,
) -> anyhow::Result<Serving> {
    let port = free_port()?;
    let mut serving = Serving {
        peer,
        port,
        processes: Vec::new(),
    };
    if case.shape == Shape::MutualTlsPair {
        let server = free_port()?;
        let ends = [(server, PairEnd::Server), (port, PairEnd::Client(server))];
        for (port, end) in ends {
            let process = start_one(bench, peer, command, case.shape, port, Some(end))?;
            serving.processes.push(process);
        }
    } else {
        let process = start_one(bench, peer, command, case.shape, port, None)?;
        serving.processes.push(process);
    }
    Ok(serving)
}

fn start_one(
    bench: &Bench,
    peer: Peer,
    command: &[&str],
    shape: Shape,
    port: u16,
    pair: Option<PairEnd>,
) -> anyhow::Result<Running> {
    let file = |ending: &str| {
        bench
            .folder
            .join(format!("{}-{port}.{ending}", peer.name()))
    };
    // Envoy goes by the ending.
    let (config, log) = (file("yaml"), file("log"));
    let words = arguments(bench, peer, shape, port, pair, &config)?;
    let mut all = command.to_vec();
    all.extend(words.iter().map(String::as_str));
    let running = Running::start(PROXY_CORE, Path::new(all[0]), &all[1..], &log)?;
    wait_for(port)
        .with_context(|| format!("{} did not start; see {}", peer.name(), log.display()))?;
    Ok(running)
}

/// Writes the config and returns the words of the command line.
fn arguments(
    bench: &Bench,
    peer: Peer,
    shape: Shape,
    port: u16,
    pair: Option<PairEnd>,
    config: &Path,
) -> anyhow::Result<Vec<String>> {
    let path = config.display().to_string();
    let own = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let (upstream, certificates) = (bench.upstream, &bench.certificates);
    match peer {
        Peer::Relay => {
            let to = match shape {
                Shape::Tcp => upstream.bulk,
                Shape::Http2 => upstream.http2,
                _ => upstream.http1,
            };
            Ok(own(&["relay", &address(port), &address(to)]))
        }
        Peer::Ferromesh | Peer::Envoy => {
            let text = bootstrap(&Wanted {
                shape,
                port,
                admin: free_port()?,
                upstream,
                certificates,
                pair,
                folder: &bench.folder,
            });
            std::fs::write(config, text)?;
            let mut words = own(&["-c", &path, "--concurrency", "1"]);
            if peer == Peer::Envoy {
                words.extend(own(&["-l", "error", "--use-dynamic-base-id"]));
            }
            Ok(words)
        }
        Peer::Haproxy => {
            std::fs::write(
                config,
                peer_config::haproxy(shape, port, upstream, certificates),
            )?;
            Ok(own(&["-f", &path]))
        }
        Peer::Nginx => {
            let text = peer_config::nginx(shape, port, upstream, certificates, &bench.folder);
            std::fs::write(config, text)?;
            Ok(own(&["-c", &path]))
        }
    }
}
