//! The end of a pod: out of the endpoints, hooks, SIGTERM, SIGKILL, and nothing left on the host.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::begin::plan_path;
use super::hooks::CallTarget;
use super::life::{Life, PodOrder, PodReport};
use crate::launch::protocol::{Request, StopSignal};

/// Kubernetes' `terminationGracePeriodSeconds` when a pod names none.
const GRACE: Duration = Duration::from_secs(30);

impl Life {
    /// Ends the pod; `now` without grace.
    pub(super) async fn shut_down(mut self, now: bool) {
        self.leaving = true;
        self.tell();
        if !now {
            self.end_gracefully().await;
        }
        for run in &mut self.containers {
            run.unwatch();
        }
        // Tasks that still call into containers hold the client for an instant longer; dropping
        // the last of them ends pod init too.
        if let Some(Ok(init)) = self.init.take().map(Arc::try_unwrap) {
            init.end().await;
        }
        if let Err(error) = self.start.network.delete().await {
            // A pod that never got a network has none to delete.
            tracing::debug!(pod = self.start.pod.key(), %error, "network not deleted");
        }
        let dir = &self.start.dir;
        if let Err(error) = std::fs::remove_dir_all(dir)
            && dir.exists()
        {
            warn!(dir = %dir.display(), %error, "cannot remove the pod's directory");
        }
        let uid = self.start.pod.metadata.uid.clone();
        // The supervisor outlives its pods, except while the process ends.
        let _ = self.reports.send(PodReport::Gone(uid));
    }

    async fn end_gracefully(&mut self) {
        // Proxies learn of the change with some delay; until then requests still arrive.
        if self.last_was_ready() {
            self.until(Instant::now() + self.shared.withdrawal, |_| false)
                .await;
        }
        let seconds = self.start.pod.spec.termination_grace_period_seconds;
        let grace = seconds.map_or(GRACE, Duration::from_secs);
        let deadline = Instant::now() + grace;
        // Sidecars serve the containers until these have ended.
        self.end_containers(false, deadline).await;
        self.end_containers(true, deadline.max(Instant::now() + Duration::from_secs(1)))
            .await;
    }

    fn last_was_ready(&self) -> bool {
        self.containers.iter().any(|run| !run.init && run.ready)
    }

    async fn end_containers(&mut self, sidecars: bool, deadline: Instant) {
        let chosen: Vec<String> = self
            .containers
            .iter()
            .filter(|run| run.sidecar == sidecars && run.state.is_running())
            .map(|run| run.spec.name.clone())
            .collect();
        if chosen.is_empty() {
            return;
        }
        self.run_stop_hooks(&chosen, deadline).await;
        self.signal(&chosen, StopSignal::Terminate);
        let ended = |life: &Self| !life.any_running(sidecars);
        if !self.until(deadline, ended).await {
            self.signal(&chosen, StopSignal::Kill);
            self.until(Instant::now() + Duration::from_secs(2), ended)
                .await;
        }
    }

    fn any_running(&self, sidecars: bool) -> bool {
        self.containers
            .iter()
            .any(|run| run.sidecar == sidecars && run.state.is_running())
    }

    async fn run_stop_hooks(&mut self, chosen: &[String], deadline: Instant) {
        let Some(init) = self.init.clone() else {
            return;
        };
        let mut hooks = tokio::task::JoinSet::new();
        for run in self
            .containers
            .iter()
            .filter(|run| chosen.contains(&run.spec.name))
        {
            let Some(hook) = run.spec.lifecycle.pre_stop.clone() else {
                continue;
            };
            let target = CallTarget {
                pod_ip: self.start.network.address.into(),
                container: Arc::clone(&run.spec),
                plan: plan_path(&self.start.dir, &run.spec.name),
                init: Arc::clone(&init),
            };
            let limit = deadline.saturating_duration_since(Instant::now());
            hooks.spawn(async move {
                if let Err(error) = target.call(&hook, limit).await {
                    warn!(
                        container = target.container.name,
                        error, "preStop hook failed"
                    );
                }
            });
        }
        drop(init);
        while !hooks.is_empty() {
            tokio::select! {
                _ = hooks.join_next() => {}
                // Answers to commands arrive as events.
                goes_on = self.next_event() => if !goes_on { return },
            }
        }
    }

    fn signal(&self, containers: &[String], signal: StopSignal) {
        let Some(init) = &self.init else { return };
        for container in containers {
            init.send(Request::Signal {
                container: container.clone(),
                signal,
            });
        }
    }

    /// Handles events until `done` holds; false when `deadline` or an order to stop at once came
    /// first.
    async fn until(&mut self, deadline: Instant, done: impl Fn(&Self) -> bool) -> bool {
        while !done(self) {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return false,
                goes_on = self.next_event() => if !goes_on { return done(self) },
            }
        }
        true
    }

    /// Handles one event or order. False when there is no use in waiting any longer.
    async fn next_event(&mut self) -> bool {
        let Some(events) = &mut self.events else {
            return false;
        };
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    self.heard(event);
                    self.tell();
                    true
                }
                None => {
                    self.events = None;
                    false
                }
            },
            order = self.orders.recv() => {
                let at_once = matches!(order, None | Some(PodOrder::Stop { now: true }));
                if at_once {
                    self.events = None;
                }
                !at_once
            }
        }
    }
}
