//! `cargo xtask hitless`: processes are replaced and leave, and listeners change and go, under load,
//! and no request fails.

mod listeners;
mod load;
mod mesh;
mod process;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use self::load::{Load, serve_hello};
use self::process::{Config, Proxy};
use crate::build;
use crate::ports::free_address;

/// Settings of `cargo xtask hitless`.
#[derive(clap::Args)]
pub struct Settings {
    /// Requests per case at least; more are sent until the case is through.
    #[arg(long, default_value_t = 10_000)]
    requests: u64,
    /// How often something is replaced or leaves in each case.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// A folder with meshproxy and meshd; built when absent.
    #[arg(long)]
    programs: Option<PathBuf>,
}

impl Settings {
    /// What `cargo xtask test` runs.
    pub fn check() -> Self {
        Self {
            requests: 4_000,
            rounds: 2,
            programs: None,
        }
    }
}

type Run = fn(&Settings, &Path, SocketAddr) -> anyhow::Result<(u64, u64)>;

const CASES: [(&str, Run); 5] = [
    ("hot upgrade", hot_upgrade),
    ("hot upgrade of a sidecar and a gateway", mesh::upgrade),
    ("SIGTERM behind another proxy", termination),
    ("listener update", listeners::update),
    ("listener removal behind another proxy", listeners::removal),
];

/// How long requests run between two replacements at least.
const BETWEEN: Duration = Duration::from_millis(500);

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let binary = build::given_or(settings.programs.as_deref(), build::release)?.join("meshproxy");
    let endpoint = serve_hello()?;
    let (mut failed, mut total) = (0, 0);
    for (name, case) in CASES {
        println!("{name}: {} rounds under load …", settings.rounds);
        let (sent, lost) = case(settings, &binary, endpoint).with_context(|| name.to_owned())?;
        println!("{name}: {sent} requests, {lost} failed");
        failed += u32::from(lost > 0);
        total += sent;
    }
    println!("{total} requests in all");
    println!("{} passed, {failed} failed", CASES.len() as u32 - failed);
    if failed > 0 {
        bail!("requests were lost");
    }
    Ok(())
}

/// A new process takes the sockets of the running one, again and again.
fn hot_upgrade(
    settings: &Settings,
    binary: &Path,
    endpoint: SocketAddr,
) -> anyhow::Result<(u64, u64)> {
    let address = free_address()?;
    let config = Config::new(address, &[endpoint]);
    let meeting = std::env::temp_dir().join(format!("hitless-{}.sock", std::process::id()));
    let upgrade = [
        "--hot-upgrade",
        meeting.to_str().context("a path that is text")?,
        "--parent-shutdown-time-s",
        "30",
    ];
    let mut running = Proxy::start(binary, &config, &upgrade)?;
    let load = Load::start(address)?;
    for _ in 0..settings.rounds {
        pause(BETWEEN);
        let mut next = Proxy::start(binary, &config, &upgrade)?;
        running.left_to(&mut next)?;
        running = next;
    }
    let counts = load.finish(settings.requests);
    drop(running);
    // The last process is gone, so nobody needs the file.
    let _ = std::fs::remove_file(meeting);
    Ok(counts)
}

/// One of two proxies leaves while another proxy sends requests to both, as a gateway does.
fn termination(
    settings: &Settings,
    binary: &Path,
    endpoint: SocketAddr,
) -> anyhow::Result<(u64, u64)> {
    let address = free_address()?;
    let behind = [free_address()?, free_address()?];
    let mut backends = Vec::new();
    for at in behind {
        backends.push(Proxy::start(binary, &Config::new(at, &[endpoint]), &[])?);
    }
    let _front = Proxy::start(binary, &Config::new(address, &behind), &[])?;
    let load = Load::start(address)?;
    for round in 0..settings.rounds as usize {
        pause(BETWEEN);
        let index = round % behind.len();
        backends[index].terminate()?;
        backends[index].left()?;
        let config = Config::new(behind[index], &[endpoint]);
        backends[index] = Proxy::start(binary, &config, &[])?;
    }
    Ok(load.finish(settings.requests))
}

/// Lets time pass: other processes and threads are looked at from outside, and say nothing.
#[allow(clippy::disallowed_methods)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
