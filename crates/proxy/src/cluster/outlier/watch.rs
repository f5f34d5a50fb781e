//! The task that judges the endpoints of one cluster. It ends with its cluster.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;
use tracing::debug;

use super::decide::{Court, ejected, readmit};
use super::{Cause, Suspect};
use crate::cluster::{Endpoint, clock};
use crate::compiled::Cluster;

/// Begins to judge `cluster`, unless somebody does already. Call it inside a tokio runtime.
pub(crate) fn follow(cluster: &Arc<Cluster>) {
    let Some(detection) = &cluster.outlier else {
        return;
    };
    if let Some(suspects) = detection.take_judge() {
        let interval = detection.settings.interval;
        tokio::spawn(watch(Arc::downgrade(cluster), suspects, interval));
    }
}

async fn watch(
    cluster: Weak<Cluster>,
    mut suspects: UnboundedReceiver<Suspect>,
    interval: std::time::Duration,
) {
    let mut look = tokio::time::interval(interval.max(std::time::Duration::from_millis(1)));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut random = fastrand::Rng::new();
    loop {
        let suspect = tokio::select! {
            suspect = suspects.recv() => match suspect {
                Some(suspect) => Some(suspect),
                None => return,
            },
            _ = look.tick() => None,
        };
        let Some(cluster) = cluster.upgrade() else {
            return;
        };
        judge(&cluster, suspect, &mut random);
    }
}

fn judge(
    cluster: &Arc<Cluster>,
    suspect: Option<(Arc<Endpoint>, Cause)>,
    random: &mut fastrand::Rng,
) {
    let Some(detection) = &cluster.outlier else {
        return;
    };
    let members = cluster.endpoints.current();
    let mut court = Court {
        detection,
        members: &members,
        now: clock::millis(),
        random,
    };
    let changed = match suspect {
        Some((endpoint, cause)) => {
            let changed = court.suspect(&endpoint, cause);
            debug!(cluster = %cluster.name, endpoint = %endpoint.address, ?cause, changed, "outlier");
            changed
        }
        None => court.review(),
    };
    detection
        .stats
        .ejections_active()
        .set(ejected(&members) as u64);
    if changed {
        cluster.refresh_health();
    }
}

/// A health check of the endpoint passed: it need not wait for the end of an ejection.
pub(crate) fn passed_health_check(cluster: &Cluster, endpoint: &Endpoint) -> bool {
    let unejects = cluster.outlier.as_ref();
    unejects.is_some_and(|detection| detection.settings.health_check_unejects) && readmit(endpoint)
}
