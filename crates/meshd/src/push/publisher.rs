//! The one writer: takes batches of changes, waits for quiet, builds the next snapshot, and asks for
//! a push to every proxy that is concerned.

use std::collections::HashSet;
use std::sync::Arc;

use ferromesh_config::{Problem, Severity};
use ferromesh_ingest::{Batch, Change};
use ferromesh_model::{ObjectChange, SnapshotBuilder};
use ferromesh_runtime::Debounce;
use ferromesh_types::Str;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::pending::{PendingChanges, moves_endpoints};
use super::request::{PushRequest, concerns};
use crate::control_plane::ControlPlane;
use crate::settings::PushSettings;

/// Turns batches into snapshots and pushes.
#[derive(Debug)]
pub(crate) struct SnapshotPublisher {
    plane: Arc<ControlPlane>,
    settings: PushSettings,
    builder: SnapshotBuilder,
    debounce: Debounce,
    pending: PendingChanges,
    since: Option<Instant>,
    reported: HashSet<String>,
}

impl SnapshotPublisher {
    /// Publishes what `builder` makes.
    pub(crate) fn new(
        plane: Arc<ControlPlane>,
        settings: PushSettings,
        builder: SnapshotBuilder,
    ) -> Self {
        Self {
            plane,
            settings,
            builder,
            debounce: Debounce::new(settings.debounce),
            pending: PendingChanges::default(),
            since: None,
            reported: HashSet::new(),
        }
    }

    /// Runs until the source is gone.
    pub(crate) async fn run(mut self, mut batches: mpsc::Receiver<Batch>) {
        loop {
            let due = self.debounce.due();
            tokio::select! {
                batch = batches.recv() => match batch {
                    Some(batch) => self.take_in(batch),
                    None => return,
                },
                () = sleep_until(due) => {
                    if self.debounce.take(Instant::now()) {
                        self.publish();
                    }
                }
            }
        }
    }

    fn take_in(&mut self, batch: Batch) {
        self.report(&batch.problems);
        self.plane.problems.publish(Arc::clone(&batch.problems));
        let at_once = batch.initial
            || (!self.settings.debounce_endpoints
                && self.pending.is_empty()
                && batch.changes.iter().all(moves_endpoints));
        self.since.get_or_insert_with(Instant::now);
        self.pending.add(batch.changes);
        if batch.initial {
            self.publish();
            info!(
                services = self.builder.snapshot().services().len(),
                problems = batch.problems.len(),
                "config is read"
            );
            self.plane.become_ready();
        } else if at_once {
            self.publish();
        } else if !self.pending.is_empty() {
            self.debounce.touch(Instant::now());
        }
    }

    /// Each problem is logged once, when it comes up.
    fn report(&mut self, problems: &[Problem]) {
        let mut now = HashSet::new();
        for problem in problems {
            let text = problem.to_string();
            if !self.reported.contains(&text) {
                match problem.severity {
                    Severity::Error => error!(target: "meshd::config", "{text}"),
                    Severity::Warning => warn!(target: "meshd::config", "{text}"),
                    Severity::Info => info!(target: "meshd::config", "{text}"),
                }
            }
            now.insert(text);
        }
        self.reported = now;
    }

    fn publish(&mut self) {
        let changes = self.pending.take();
        self.plane.keep_objects(&changes);
        let since = self.since.take().unwrap_or_else(Instant::now);
        let changes: Vec<ObjectChange<'_>> = changes.iter().map(object_change).collect();
        let before = self.builder.snapshot().generation();
        let started = Instant::now();
        let affected = self.builder.apply(&changes);
        let snapshot = Arc::clone(self.builder.snapshot());
        if snapshot.generation() == before {
            return;
        }
        let generation = snapshot.generation();
        self.plane.metrics.config(&snapshot);
        self.plane
            .cache
            .advance(snapshot, version(generation.0), &affected);
        let request = PushRequest {
            affected: Arc::new(affected),
            since,
        };
        let proxies = self.plane.connections.concerned(|connection| {
            let concerned = concerns(&request.affected, connection.proxy());
            if concerned {
                connection.slot().put(request.clone());
            }
            concerned
        });
        debug!(
            generation = generation.0,
            changes = changes.len(),
            proxies,
            build_us = started.elapsed().as_micros() as u64,
            "snapshot published"
        );
    }
}

fn object_change(change: &Change) -> ObjectChange<'_> {
    ObjectChange {
        old: change.old.as_ref(),
        new: change.new.as_ref(),
    }
}

/// The version of responses, as Istio writes it.
fn version(generation: u64) -> Str {
    let now = time::OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_default();
    format!("{now}/{generation}").into()
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
