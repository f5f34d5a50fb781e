//! The tasks that check the endpoints of a cluster. They end with their cluster.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::debug;

use super::probe::probe;
use super::progress::{Progress, Verdict};
use super::{HealthCheckSettings, HealthChecks};
use crate::cluster::{Endpoint, HealthFlags, outlier};
use crate::compiled::Cluster;

/// Begins to check the endpoints of `cluster`, unless somebody does already; `checked` is told after
/// the first check of each. Call it inside a tokio runtime.
pub(crate) fn follow(cluster: &Arc<Cluster>, checked: &Arc<Notify>) {
    let Some(checks) = &cluster.health_checks else {
        return;
    };
    let mut watched = checks
        .watched
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if !*watched {
        *watched = true;
        tokio::spawn(watch(Arc::downgrade(cluster), Arc::clone(checked)));
    }
}

/// The tasks of the endpoints, by the place of their counters; they end when this is dropped.
#[derive(Default)]
struct Sessions(HashMap<usize, AbortHandle>);

impl Drop for Sessions {
    fn drop(&mut self) {
        self.0.values().for_each(AbortHandle::abort);
    }
}

async fn watch(cluster: Weak<Cluster>, checked: Arc<Notify>) {
    let Some(mut members) = cluster.upgrade().map(|cluster| cluster.endpoints.reader()) else {
        return;
    };
    let mut sessions = Sessions::default();
    loop {
        let set = members.current();
        let mut old = std::mem::take(&mut sessions.0);
        for endpoint in set.endpoints() {
            if endpoint.check.as_ref().is_some_and(|check| check.disabled) {
                let unknown = HealthFlags::FAILED_ACTIVE.with(HealthFlags::PENDING_ACTIVE);
                endpoint.counters.health.clear(unknown);
                continue;
            }
            let place = Arc::as_ptr(&endpoint.counters) as usize;
            let running = old.remove(&place).unwrap_or_else(|| {
                let session = Session {
                    cluster: cluster.clone(),
                    endpoint: Arc::clone(endpoint),
                    checked: Arc::clone(&checked),
                };
                tokio::spawn(session.run()).abort_handle()
            });
            sessions.0.insert(place, running);
        }
        old.values().for_each(AbortHandle::abort);
        drop(set);
        if !members.changed().await || cluster.strong_count() == 0 {
            return;
        }
    }
}

/// The checks of one endpoint.
struct Session {
    cluster: Weak<Cluster>,
    endpoint: Arc<Endpoint>,
    checked: Arc<Notify>,
}

impl Session {
    async fn run(self) {
        let failed = self.endpoint.counters.health.flags();
        let mut progress = Progress::new(!failed.intersects(HealthFlags::FAILED_ACTIVE));
        let begin = self.checks(|checks| jittered(checks.settings.initial_jitter));
        let Some(mut wait) = begin else {
            return;
        };
        loop {
            tokio::time::sleep(wait).await;
            let Some(cluster) = self.cluster.upgrade() else {
                return;
            };
            let Some(checks) = &cluster.health_checks else {
                return;
            };
            checks.stats.attempt().inc();
            let verdict = probe(&cluster, &self.endpoint, &checks.settings).await;
            self.apply(&cluster, checks, &mut progress, verdict);
            wait = next(&progress, &checks.settings, &cluster);
        }
    }

    fn checks<T>(&self, ask: impl FnOnce(&HealthChecks) -> T) -> Option<T> {
        let cluster = self.cluster.upgrade()?;
        cluster.health_checks.as_ref().map(ask)
    }

    fn apply(
        &self,
        cluster: &Arc<Cluster>,
        checks: &HealthChecks,
        progress: &mut Progress,
        verdict: Verdict,
    ) {
        let health = &self.endpoint.counters.health;
        let stats = &checks.stats;
        let mut changed = progress.note(verdict, &checks.settings);
        match verdict {
            Verdict::Well | Verdict::Degraded => stats.success().inc(),
            Verdict::Ill | Verdict::Unsure => stats.failure().inc(),
            Verdict::Unreachable => {
                stats.failure().inc();
                stats.network_failure().inc();
            }
        }
        if progress.healthy {
            if health.clear(HealthFlags::FAILED_ACTIVE) {
                health.begins();
                changed = true;
            }
        } else {
            changed |= health.set(HealthFlags::FAILED_ACTIVE);
        }
        changed |= match verdict {
            Verdict::Degraded => health.set(HealthFlags::DEGRADED_ACTIVE),
            Verdict::Well => health.clear(HealthFlags::DEGRADED_ACTIVE),
            _ => false,
        };
        let first = health.clear(HealthFlags::PENDING_ACTIVE);
        if matches!(verdict, Verdict::Well | Verdict::Degraded) {
            changed |= outlier::watch::passed_health_check(cluster, &self.endpoint);
        }
        if changed || first {
            debug!(cluster = %cluster.name, endpoint = %self.endpoint.address, ?verdict, "health");
            cluster.refresh_health();
            let healthy = cluster.endpoints.current().usable as u64;
            stats.healthy().set(healthy);
        }
        if first {
            self.checked.notify_one();
        }
    }
}

fn next(progress: &Progress, settings: &HealthCheckSettings, cluster: &Cluster) -> Duration {
    let traffic = cluster.stats.upstream_cx_total().value() > 0;
    let wait = progress.wait(&settings.intervals, traffic);
    let part = wait.mul_f64(f64::from(settings.jitter_percent) / 100.0);
    // A wait of nothing would keep a core busy.
    (wait + jittered(settings.jitter) + jittered(part)).max(Duration::from_millis(1))
}

fn jittered(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}
