//! Mixed traffic through one proxy for minutes, while its config changes all the time.
//!
//! `meshproxy` runs as a process of its own; this process is its control plane (`config`),
//! its upstreams (`upstreams`) and its clients (`clients`). Nothing but loopback is used. At the end
//! the process must be as it was: memory level, descriptors and threads as before, no panic, and no
//! request failed that was meant to succeed.

mod clients;
mod config;
mod tally;
mod upstreams;
mod watch;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use self::clients::Traffic;
use self::config::{Certificates, Ports};
use self::tally::Tally;
use self::watch::Watch;
use crate::control_plane::ControlPlane;
use crate::{build, shell};

/// Settings of `cargo xtask soak`.
#[derive(clap::Args)]
#[command(after_help = "\
HTTP/1.1, HTTP/2, gRPC, WebSocket, TCP, TLS and mutual TLS, clients that break off and clients that
are slow; clusters, endpoints, routes and listeners change every second. Fails when memory grows in
the second half, descriptors or threads stay, the log holds a panic, or a request fails.")]
pub struct Settings {
    /// How long the traffic runs.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// A meshproxy to use instead of building one.
    #[arg(long)]
    program: Option<std::path::PathBuf>,
}

/// How long descriptors may take to come back: idle upstream connections close after 5 s.
const SETTLE: Duration = Duration::from_secs(30);

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let program = build::given_or(settings.program.as_deref(), build::release_meshproxy)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting a runtime")?;
    let length = Duration::from_secs_f64(settings.minutes * 60.0);
    runtime.block_on(soak(&program, length))
}

/// The proxy; killed when the soak ends, however it ends.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself, which the checks tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn soak(program: &Path, length: Duration) -> anyhow::Result<()> {
    let folder = shell::target().join("soak");
    std::fs::create_dir_all(&folder).context("the folder of the soak")?;
    let certificates = Certificates::new()?;
    let ports = Ports::free()?;
    let upstreams = upstreams::start().await?;
    let for_plane = certificates.clone();
    let generations = move |number| config::generation(number, &ports, &upstreams, &for_plane);
    let plane = ControlPlane::start(generations).await?;
    let log = folder.join("meshproxy.log");
    let mut proxy = start(program, &plane, &log)?;
    let pid = proxy.0.id();
    clients::wait_until_served(&ports)
        .await
        .with_context(|| format!("the proxy serves nothing; see {}", log.display()))?;
    let before = Watch::look(pid)?;
    let mut watch = Watch::new(pid, before);
    let traffic = Traffic::start(ports, &certificates)?;
    println!(
        "{:>6}  {:>9}  {:>5}  {:>8}  {:>12}  {:>7}",
        "s", "RSS KiB", "fds", "threads", "done", "failed"
    );
    let (began, mut told) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(1)).await;
        plane.change();
        let now = watch.sample(began.elapsed())?;
        if let Some(status) = proxy.0.try_wait()? {
            bail!("meshproxy ended: {status}; see {}", log.display());
        }
        if began.elapsed() - told >= length / 10 {
            told = began.elapsed();
            let (done, failed) = traffic.totals();
            println!(
                "{:>6}  {:>9}  {:>5}  {:>8}  {done:>12}  {failed:>7}",
                told.as_secs(),
                now.resident_kib,
                now.descriptors,
                now.threads
            );
        }
    }
    let tallies = traffic.stop().await;
    let after = watch.settle(SETTLE).await?;
    report(&tallies, &watch, after, &plane, &log)
}

fn start(program: &Path, plane: &ControlPlane, log: &Path) -> anyhow::Result<Proxy> {
    let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let child = Command::new(program)
        .args(["--concurrency", "2", "--config-yaml"])
        .arg(plane.bootstrap().to_string())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(Proxy(child))
}

fn report(
    tallies: &[(&'static str, Tally)],
    watch: &Watch,
    after: watch::Sample,
    plane: &ControlPlane,
    log: &Path,
) -> anyhow::Result<()> {
    println!("\n{:<14}{:>10}{:>8}  reasons", "traffic", "done", "failed");
    for (name, tally) in tallies {
        println!(
            "{name:<14}{:>10}{:>8}  {}",
            tally.done,
            tally.failed,
            tally.reasons()
        );
    }
    let text = std::fs::read_to_string(log).context("the proxy's log")?;
    let panics = text
        .lines()
        .filter(|line| line.contains("panicked"))
        .count();
    let failed: u64 = tallies.iter().map(|(_, tally)| tally.failed).sum();
    let idle = tallies.iter().filter(|(_, tally)| tally.done == 0).count();
    let before = watch.before();
    let growth = watch.growth_kib();
    let checks = [
        (
            "memory is level",
            growth <= watch.allowed_kib(),
            format!(
                "{growth:.0} KiB in the second half (allowed: {:.0}), {} KiB at the end",
                watch.allowed_kib(),
                after.resident_kib
            ),
        ),
        (
            "descriptors are back",
            after.descriptors <= before.descriptors,
            format!("{} before, {} after", before.descriptors, after.descriptors),
        ),
        (
            "threads are constant",
            watch.threads_are_constant(),
            format!("{} before, {} after", before.threads, after.threads),
        ),
        ("no panic", panics == 0, format!("{panics} in the log")),
        ("no request failed", failed == 0, format!("{failed} failed")),
        (
            "all kinds of traffic ran",
            idle == 0,
            format!("{idle} did nothing"),
        ),
        (
            "all config was accepted",
            plane.refused() == 0 && plane.changes() > 0,
            format!("{} changes, {} refused", plane.changes(), plane.refused()),
        ),
    ];
    println!();
    for (what, holds, told) in &checks {
        println!(
            "{:<26}{:<6}  {told}",
            what,
            if *holds { "ok" } else { "FAILED" }
        );
    }
    let passed = checks.iter().filter(|(_, holds, _)| *holds).count();
    println!("{passed} passed, {} failed", checks.len() - passed);
    if passed < checks.len() {
        bail!(
            "the proxy is not as it should be; its log is {}",
            log.display()
        );
    }
    Ok(())
}
