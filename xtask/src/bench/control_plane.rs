//! `cargo xtask bench control-plane`: what simulated sidecars cost meshd, over delta ADS.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ferromesh_bench::control_plane::{self, Phase, Size};

use crate::{build, shell};

/// Settings of `cargo xtask bench control-plane`.
#[derive(clap::Args)]
pub struct Settings {
    /// Simulated sidecars.
    #[arg(long, default_value_t = 1000)]
    proxies: usize,
    /// Services in the mesh, with two endpoints each; every tenth has a route.
    #[arg(long, default_value_t = 1000)]
    services: usize,
    /// Namespaces of the mesh.
    #[arg(long, default_value_t = 20)]
    namespaces: usize,
}

/// Istio 1.30.3 under the same load (1,000 services, 1,000 proxies, a machine with 2 cores): phase,
/// CPU seconds, memory in MiB, until the slowest proxy in milliseconds.
const ISTIO: [(&str, f64, f64, f64); 5] = [
    ("idle", 0.0, 133.0, 0.0),
    ("connect", 58.1, 1358.0, 32_500.0),
    ("endpoint", 1.2, 0.0, 869.0),
    ("route", 7.4, 0.0, 4167.0),
    ("service", 6.6, 0.0, 3738.0),
];

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let programs = build::release()?;
    let folder = shell::target().join("bench");
    let mesh = folder.join("mesh");
    let _ = std::fs::remove_dir_all(&mesh);
    let size = Size {
        services: settings.services,
        namespaces: settings.namespaces,
        proxies: settings.proxies,
    };
    control_plane::write_mesh(&mesh, size)?;
    let meshd = Meshd::start(&programs.join("meshd"), &mesh, &folder)?;
    println!(
        "phase      reached   CPU s   RSS MiB   sent MiB    p50 ms    max ms   Istio CPU s / max ms"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let address = "127.0.0.1:15010";
    let measured = control_plane::run(address, meshd.0.id(), &mesh, size, print_phase);
    let phases = runtime.block_on(measured)?;
    let report = folder.join("control-plane.json");
    std::fs::write(&report, serde_json::to_vec_pretty(&phases)?)?;
    println!("written to {}", report.display());
    if let Some(late) = phases
        .iter()
        .skip(1)
        .find(|phase| phase.reached < size.proxies)
    {
        bail!(
            "{}: only {} of {} proxies got there",
            late.name,
            late.reached,
            size.proxies
        );
    }
    Ok(())
}

fn print_phase(phase: &Phase) {
    let istio = ISTIO.iter().find(|(name, ..)| *name == phase.name);
    let (cpu, max) = istio.map_or((0.0, 0.0), |(_, cpu, _, max)| (*cpu, *max));
    println!(
        "{:<10} {:>7} {:>7.2} {:>9.1} {:>10.1} {:>9.0} {:>9.0}   {cpu:.1} / {max:.0}",
        phase.name,
        phase.reached,
        phase.cpu_s,
        phase.rss_mib,
        phase.received_mib,
        phase.p50_ms,
        phase.max_ms,
    );
}

/// A control plane of our own, ended when dropped.
struct Meshd(Child);

impl Meshd {
    fn start(program: &Path, mesh: &Path, folder: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(folder.join("meshd.log"))?;
        let child = Command::new(program)
            .arg("discovery")
            .arg("--config-dir")
            .arg(mesh)
            .arg("--state-dir")
            .arg(folder.join("state"))
            .args(["--listen-address", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start meshd")?;
        let mut meshd = Self(child);
        let began = Instant::now();
        while shell::capture(Command::new("curl").args(["-sf", "http://127.0.0.1:8080/ready"]))
            .map_or(true, |answer| !answer.status.success())
        {
            if let Some(status) = meshd.0.try_wait()? {
                bail!(
                    "meshd ended: {status}; see {}",
                    folder.join("meshd.log").display()
                );
            }
            if began.elapsed() > Duration::from_mins(1) {
                bail!("meshd is not ready after a minute");
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(meshd)
    }
}

impl Drop for Meshd {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about it here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
