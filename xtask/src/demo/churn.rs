//! Load through the gateway while something changes: no request may fail.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ferromesh_bench::load::{self, Outcome, Plan};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::checks::{catalog_target, failures, wait_for_catalog};
use super::mesh::{Mesh, PATIENCE};
use super::report::Report;
use super::{Settings, edits};

/// Kept connections of the load.
const CONNECTIONS: usize = 32;
/// No load lasts longer.
const LONGEST_LOAD: Duration = Duration::from_mins(3);
/// Load before the first and after the last change.
const MARGIN: Duration = Duration::from_millis(500);

/// A load that runs until it is stopped.
struct Load {
    stop: Arc<AtomicBool>,
    running: JoinHandle<Outcome>,
    began: Instant,
}

impl Load {
    async fn start(mesh: &Mesh, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let plan = Plan {
            connections: CONNECTIONS,
            rate,
            duration: LONGEST_LOAD,
            requests: usize::MAX / 2,
        };
        let target = catalog_target(mesh);
        let running = tokio::spawn(load::run(target, plan, "imageUrl", Arc::clone(&stop)));
        tokio::time::sleep(MARGIN).await;
        Self {
            stop,
            running,
            began: Instant::now(),
        }
    }

    async fn end(self) -> anyhow::Result<(Outcome, f64)> {
        tokio::time::sleep(MARGIN).await;
        self.stop.store(true, Ordering::Relaxed);
        let outcome = self.running.await.context("the load driver failed")?;
        let rate = outcome.sent as f64 / (self.began.elapsed() + MARGIN).as_secs_f64();
        Ok((outcome, rate))
    }
}

/// The control plane is killed and comes back by itself.
pub async fn control_plane_restart(
    mesh: &Mesh,
    settings: &Settings,
    report: &mut Report,
) -> anyhow::Result<()> {
    let load = Load::start(mesh, settings.rate).await;
    let down = restart_control_plane(mesh).await;
    let (outcome, rate) = load.end().await?;
    let down = down?;
    let held = outcome.failed == 0 && outcome.sent > 0;
    let figures = [
        ("restart_down_ms", down),
        ("restart_requests", outcome.sent as f64),
        ("restart_failed", outcome.failed as f64),
        ("restart_rps", rate),
    ];
    report.check(
        "meshd is killed and comes back under load",
        held,
        &failures(&outcome),
        &figures,
    );
    Ok(())
}

async fn restart_control_plane(mesh: &Mesh) -> anyhow::Result<f64> {
    let pid = mesh.process("istio-system", "istiod", "discovery")?;
    let kill = ["-9", &pid.to_string()];
    crate::shell::output(std::process::Command::new("kill").args(kill))?;
    let began = Instant::now();
    loop {
        let now = mesh.process("istio-system", "istiod", "discovery");
        let proxies = mesh.debug("syncz").ok();
        let back = proxies
            .and_then(|list| list.as_array().map(Vec::len))
            .unwrap_or(0);
        if now.is_ok_and(|now| now != pid) && back >= 5 {
            return Ok(began.elapsed().as_secs_f64() * 1000.0);
        }
        if began.elapsed() > PATIENCE {
            bail!("meshd did not come back with its proxies, only {back} are connected");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Certificates live for seconds here; the load goes on over at least three rotations.
pub async fn certificates(
    mesh: &Mesh,
    settings: &Settings,
    report: &mut Report,
) -> anyhow::Result<()> {
    const ROTATIONS: usize = 3;
    let load = Load::start(mesh, settings.rate).await;
    let mut serials = BTreeSet::new();
    let began = Instant::now();
    let seen = loop {
        serials.insert(serial(mesh)?);
        if serials.len() > ROTATIONS {
            break Ok(());
        }
        if began.elapsed() > Duration::from_mins(2) {
            break Err(anyhow::anyhow!(
                "only {} certificates were seen",
                serials.len()
            ));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let (outcome, rate) = load.end().await?;
    seen?;
    let held = outcome.failed == 0 && outcome.sent > 0;
    let figures = [
        ("rotations", (serials.len() - 1) as f64),
        ("rotation_requests", outcome.sent as f64),
        ("rotation_failed", outcome.failed as f64),
        ("rotation_rps", rate),
    ];
    report.check(
        "certificates are rotated under load",
        held,
        &failures(&outcome),
        &figures,
    );
    Ok(())
}

/// The serial number of the certificate that the catalog's sidecar uses now.
fn serial(mesh: &Mesh) -> anyhow::Result<String> {
    let target = "istioinaction/deploy/catalog-v1";
    let text = mesh.exec_text(target, &["curl", "-sf", "http://127.0.0.1:15000/certs"])?;
    let certificates: Value = serde_json::from_str(&text).context("/certs is no JSON")?;
    let serial = certificates["certificates"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|each| each["cert_chain"][0]["serial_number"].as_str())
        .find(|serial| !serial.is_empty());
    Ok(serial
        .context("the sidecar shows no certificate")?
        .to_owned())
}

/// Routes, endpoints, certificates and the control plane itself change in one run.
pub async fn everything(
    mesh: &Mesh,
    settings: &Settings,
    report: &mut Report,
) -> anyhow::Result<()> {
    const CHANGES: u32 = 20;
    let load = Load::start(mesh, settings.rate).await;
    let changed = change_everything(mesh, CHANGES, settings).await;
    let (outcome, rate) = load.end().await?;
    changed?;
    let held = outcome.failed == 0 && outcome.sent > 0;
    let figures = [
        ("churn_route_edits", f64::from(CHANGES)),
        ("churn_endpoint_changes", f64::from(CHANGES)),
        ("churn_requests", outcome.sent as f64),
        ("churn_failed", outcome.failed as f64),
        ("churn_rps", rate),
        ("churn_p50_ms", outcome.percentile_ms(0.5)),
        ("churn_p99_ms", outcome.percentile_ms(0.99)),
    ];
    let name = "20 route edits, 20 endpoint changes, rotations and a restart lose no request";
    report.check(name, held, &failures(&outcome), &figures);
    Ok(())
}

async fn change_everything(mesh: &Mesh, changes: u32, settings: &Settings) -> anyhow::Result<()> {
    let began = Instant::now();
    let every = Duration::from_secs(settings.load_seconds) / (changes + 2);
    for change in 0..changes {
        edits::catalog_weights(mesh.config(), 100 - change, change)?;
        let pods = if change % 2 == 0 { 2 } else { 1 };
        edits::catalog_replicas(mesh.config(), pods)?;
        wait_for_catalog(mesh, pods as usize).await?;
        if change == changes / 2 {
            restart_control_plane(mesh).await?;
        }
        tokio::time::sleep((every * (change + 1)).saturating_sub(began.elapsed())).await;
    }
    let rest = Duration::from_secs(settings.load_seconds).saturating_sub(began.elapsed());
    tokio::time::sleep(rest).await;
    Ok(())
}
