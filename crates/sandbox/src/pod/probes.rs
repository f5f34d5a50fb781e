//! The probes of one running container, after its start hook: startup holds the others back,
//! readiness decides about traffic, liveness about a restart.
//!
//! Until a probe has first succeeded it is called more often than its period, beginning with
//! [`EAGER`] and slowing down: a start should cost no more than it must. Kubernetes makes the first
//! call at a random time within the period instead, to spread the load of many nodes.

use std::time::Duration;

use tokio::sync::mpsc;

use super::hooks::CallTarget;
use crate::kubernetes::Probe;

/// The first wait between calls.
const EAGER: Duration = Duration::from_millis(25);

/// How long a start hook may take. Kubernetes sets no limit; a hook that never ends would hide
/// why its pod does not start.
const HOOK_LIMIT: Duration = Duration::from_mins(2);

/// What probes find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The container counts as started.
    Started,
    /// It takes traffic, or not any more; with the reason.
    Ready(Result<(), String>),
    /// It must be started again.
    Dead(String),
    /// Its start hook has ended: the next container may start.
    Greeted,
}

/// A finding about one run of one container.
#[derive(Clone, Debug)]
pub(super) struct ProbeReport {
    pub(super) container: String,
    /// Which run: reports of an earlier one are stale.
    pub(super) run: u64,
    pub(super) finding: Finding,
}

/// Watches one run of a container until the task is aborted.
pub(super) async fn watch(
    target: CallTarget,
    run: u64,
    reports: mpsc::UnboundedSender<ProbeReport>,
) {
    let container = target.container.clone();
    let tell = |finding: Finding| {
        let report = ProbeReport {
            container: container.name.clone(),
            run,
            finding,
        };
        // The pod may be gone already.
        let _ = reports.send(report);
    };
    if let Some(hook) = &container.lifecycle.post_start {
        if let Err(reason) = target.call(hook, HOOK_LIMIT).await {
            tell(Finding::Dead(format!("postStart hook: {reason}")));
            return;
        }
        tell(Finding::Greeted);
    }
    if let Some(probe) = &container.startup_probe
        && let Err(reason) = await_start(&target, probe).await
    {
        tell(Finding::Dead(format!("startup probe: {reason}")));
        return;
    }
    tell(Finding::Started);
    let readiness = async {
        match &container.readiness_probe {
            None => tell(Finding::Ready(Ok(()))),
            Some(probe) => follow(&target, probe, |now| tell(Finding::Ready(now))).await,
        }
    };
    let liveness = async {
        if let Some(probe) = &container.liveness_probe {
            let reason = await_death(&target, probe).await;
            tell(Finding::Dead(format!("liveness probe: {reason}")));
        }
    };
    tokio::join!(readiness, liveness);
}

/// Ends when the probe succeeds, or with the reason when it has failed too often.
async fn await_start(target: &CallTarget, probe: &Probe) -> Result<(), String> {
    // Eager calls must not use up the tries that the user has counted in periods.
    let limit = probe.initial_delay() + probe.period() * probe.failure_threshold.max(1);
    let begun = tokio::time::Instant::now();
    tokio::time::sleep(probe.initial_delay()).await;
    let mut wait = EAGER;
    loop {
        let Err(reason) = target.call(&probe.handler, probe.timeout()).await else {
            return Ok(());
        };
        if begun.elapsed() >= limit {
            return Err(reason);
        }
        tokio::time::sleep(wait).await;
        wait = slower(wait, probe.period());
    }
}

/// Tells every change between ready and not ready; never ends.
async fn follow(target: &CallTarget, probe: &Probe, tell: impl Fn(Result<(), String>)) {
    tokio::time::sleep(probe.initial_delay()).await;
    let mut ready = false;
    let mut in_a_row = 0;
    let mut wait = EAGER;
    let mut first_failure = true;
    loop {
        let result = target.call(&probe.handler, probe.timeout()).await;
        if result.is_ok() == ready {
            in_a_row = 0;
            if !ready && first_failure {
                first_failure = false;
                tell(result);
            }
        } else {
            in_a_row += 1;
            let needed = if ready {
                probe.failure_threshold
            } else {
                probe.success_threshold
            };
            if in_a_row >= needed.max(1) {
                ready = !ready;
                in_a_row = 0;
                tell(result);
            }
        }
        tokio::time::sleep(if ready { probe.period() } else { wait }).await;
        wait = slower(wait, probe.period());
    }
}

/// Ends with the reason when the probe has failed often enough.
async fn await_death(target: &CallTarget, probe: &Probe) -> String {
    tokio::time::sleep(probe.initial_delay()).await;
    let mut failures = 0;
    loop {
        tokio::time::sleep(probe.period()).await;
        match target.call(&probe.handler, probe.timeout()).await {
            Ok(()) => failures = 0,
            Err(reason) => {
                failures += 1;
                if failures >= probe.failure_threshold.max(1) {
                    return reason;
                }
            }
        }
    }
}

fn slower(wait: Duration, period: Duration) -> Duration {
    (wait * 3 / 2).min(period)
}
