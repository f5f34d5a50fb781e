//! What many proxies cost a control plane: a mesh in a folder, simulated sidecars over delta ADS,
//! and edits whose arrival at every proxy is timed.
//!
//! CPU seconds of the control plane are the steady figure; wall times include the load itself,
//! which shares the machine.

mod mesh;
mod proxy;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use crate::process;
use proxy::{Marker, Shared};

pub use mesh::write_mesh;

/// How large the mesh and the load are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Services, with two endpoints each; every tenth has a route.
    pub services: usize,
    /// Namespaces that they are spread over.
    pub namespaces: usize,
    /// Simulated sidecars.
    pub proxies: usize,
}

/// One measured phase.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// `idle`, `connect`, `endpoint`, `route` or `service`.
    pub name: &'static str,
    /// How many proxies got there.
    pub reached: usize,
    /// CPU seconds of the control plane in this phase.
    pub cpu_s: f64,
    /// Resident memory of the control plane after it, in MiB.
    pub rss_mib: f64,
    /// What all proxies received, in MiB.
    pub received_mib: f64,
    /// Until half of the proxies had it, in milliseconds.
    pub p50_ms: f64,
    /// Until the slowest had it, in milliseconds.
    pub max_ms: f64,
}

/// No phase takes longer.
const LONGEST_PHASE: Duration = Duration::from_mins(2);
/// Work that a phase leaves behind is counted to it for this long.
const SETTLE: Duration = Duration::from_secs(2);

/// Connects the proxies to the plaintext address `control_plane` of process `pid`, which reads
/// `folder`, then edits the folder step by step.
///
/// # Errors
/// When the folder cannot be written.
pub async fn run(
    control_plane: &str,
    pid: u32,
    folder: &Path,
    size: Size,
    mut report: impl FnMut(&Phase),
) -> std::io::Result<Vec<Phase>> {
    let shared = Arc::new(Shared::default());
    let (mark, marked) = watch::channel(Marker::default());
    let mut phases = vec![phase("idle", 0, Usage::now(pid, 0), Usage::default(), &[])];
    report(&phases[0]);

    let before = Usage::now(pid, 0);
    let start = Instant::now();
    for index in 0..size.proxies {
        let (shared, marked) = (Arc::clone(&shared), marked.clone());
        let address = control_plane.to_owned();
        tokio::spawn(async move {
            proxy::run(&address, index, size.namespaces, &shared, marked).await;
        });
        // A rollout, not a stampede: two thousand a second.
        if index % 50 == 49 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    while shared.ready() < size.proxies && start.elapsed() < LONGEST_PHASE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let times = [start.elapsed()];
    tokio::time::sleep(SETTLE).await;
    let after = Usage::now(pid, shared.received());
    phases.push(phase("connect", shared.ready(), after, before, &times));
    report(phases.last().expect("just pushed"));

    for edit in mesh::edits() {
        let before = Usage::now(pid, shared.received());
        shared.forget_arrivals();
        mark.send_replace(Marker {
            since: Instant::now(),
            text: edit.marker.into(),
        });
        (edit.apply)(folder, size)?;
        let start = Instant::now();
        while shared.arrivals().len() < size.proxies && start.elapsed() < LONGEST_PHASE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(SETTLE).await;
        let mut times = shared.arrivals();
        times.sort_unstable();
        let after = Usage::now(pid, shared.received());
        phases.push(phase(edit.name, times.len(), after, before, &times));
        report(phases.last().expect("just pushed"));
    }
    Ok(phases)
}

#[derive(Clone, Copy, Default)]
struct Usage {
    cpu: Duration,
    resident: u64,
    received: u64,
}

impl Usage {
    fn now(pid: u32, received: u64) -> Self {
        Self {
            cpu: process::cpu_time(pid).unwrap_or_default(),
            resident: process::resident_bytes(pid).unwrap_or_default(),
            received,
        }
    }
}

const MIB: f64 = 1_048_576.0;

fn phase(
    name: &'static str,
    reached: usize,
    after: Usage,
    before: Usage,
    times: &[Duration],
) -> Phase {
    let ms = |index: usize| {
        times
            .get(index)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    Phase {
        name,
        reached,
        cpu_s: (after.cpu.saturating_sub(before.cpu)).as_secs_f64(),
        rss_mib: after.resident as f64 / MIB,
        received_mib: after.received.saturating_sub(before.received) as f64 / MIB,
        p50_ms: ms(times.len() / 2),
        max_ms: ms(times.len().saturating_sub(1)),
    }
}
