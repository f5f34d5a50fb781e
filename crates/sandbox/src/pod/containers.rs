//! The containers of a pod as they run: which to start next, what an end means.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::restart::{RestartWaits, starts_again};
use super::status::{ContainerState, ContainerStatus, Phase};
use crate::kubernetes::{Container, Pod, RestartPolicy};
use crate::launch::protocol::ProcessEnd;

/// One container and its present run.
#[derive(Debug)]
pub(super) struct ContainerRun {
    pub(super) spec: Arc<Container>,
    /// Runs before the containers proper.
    pub(super) init: bool,
    /// An init container that keeps running.
    pub(super) sidecar: bool,
    pub(super) state: ContainerState,
    pub(super) started: bool,
    pub(super) ready: bool,
    pub(super) restarts: u32,
    /// Counts starts, so that reports about an earlier run are known.
    pub(super) run: u64,
    /// When the next start is due; `None` while it runs, or is not to run.
    pub(super) due: Option<Instant>,
    /// The start hook has not ended yet.
    pub(super) hook_pending: bool,
    pid: Option<i32>,
    begun: Instant,
    waits: RestartWaits,
    probes: Option<AbortHandle>,
}

impl ContainerRun {
    fn new(spec: &Container, init: bool) -> Self {
        Self {
            spec: Arc::new(spec.clone()),
            init,
            sidecar: init && spec.restart_policy.as_deref() == Some("Always"),
            state: ContainerState::waiting("PodInitializing", ""),
            started: false,
            ready: false,
            restarts: 0,
            run: 0,
            due: None,
            hook_pending: false,
            pid: None,
            begun: Instant::now(),
            waits: RestartWaits::default(),
            probes: None,
        }
    }

    /// All containers of `pod`, init containers first.
    pub(super) fn all_of(pod: &Pod) -> Vec<Self> {
        let init = pod
            .spec
            .init_containers
            .iter()
            .map(|spec| Self::new(spec, true));
        let main = pod
            .spec
            .containers
            .iter()
            .map(|spec| Self::new(spec, false));
        init.chain(main).collect()
    }

    /// Whether it has never been started.
    pub(super) fn is_new(&self) -> bool {
        self.run == 0
    }

    /// Whether later containers need not wait for it (any more).
    pub(super) fn lets_others_start(&self) -> bool {
        match (self.init, self.sidecar) {
            (true, false) => self.state.is_completed(),
            (true, true) => self.started && !self.hook_pending,
            (false, _) => !self.is_new() && !self.hook_pending,
        }
    }

    /// Notes that a start is under way.
    pub(super) fn begins(&mut self) {
        self.run += 1;
        self.state = ContainerState::waiting("ContainerCreating", "");
        self.due = None;
        self.hook_pending = self.spec.lifecycle.post_start.is_some();
    }

    /// Notes that the command runs as process `pid`; `probes` watches it.
    pub(super) fn has_started(&mut self, pid: i32, probes: AbortHandle) {
        self.state = ContainerState::Running {
            since: OffsetDateTime::now_utc(),
        };
        self.pid = Some(pid);
        self.begun = Instant::now();
        self.probes = Some(probes);
    }

    /// Stops watching.
    pub(super) fn unwatch(&mut self) {
        if let Some(probes) = self.probes.take() {
            probes.abort();
        }
        self.pid = None;
        self.started = false;
        self.ready = false;
        self.hook_pending = false;
    }

    /// Notes its end and decides whether it starts again. `message` is why, where known.
    pub(super) fn has_ended(&mut self, end: ProcessEnd, message: String, policy: RestartPolicy) {
        self.unwatch();
        let exit_code = end.exit_code();
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        let again = match (self.init, self.sidecar) {
            (true, false) => exit_code != 0 && policy != RestartPolicy::Never,
            (true, true) => true,
            (false, _) => starts_again(policy, exit_code),
        };
        if !again {
            self.state = ContainerState::Terminated {
                exit_code,
                reason: reason.to_owned(),
                message,
            };
            return;
        }
        let wait = self.waits.next(self.begun.elapsed());
        let mut text = format!("ended with code {exit_code}");
        if !message.is_empty() {
            text = format!("{text}: {message}");
        }
        self.state = match wait {
            Duration::ZERO => ContainerState::waiting(reason, text),
            wait => ContainerState::waiting(
                "CrashLoopBackOff",
                format!("{text}; next start in {:.1} s", wait.as_secs_f32()),
            ),
        };
        self.restarts += 1;
        self.due = Some(Instant::now() + wait);
    }

    /// The public form.
    pub(super) fn status(&self) -> ContainerStatus {
        ContainerStatus {
            name: self.spec.name.clone(),
            image: self.spec.image.clone(),
            init: self.init,
            state: self.state.clone(),
            started: self.started,
            ready: self.ready || (self.init && !self.sidecar && self.state.is_completed()),
            restarts: self.restarts,
            pid: self.pid,
        }
    }
}

/// Which containers to start now, by index.
pub(super) fn next_starts(containers: &[ContainerRun], now: Instant) -> Vec<usize> {
    let mut starts = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let due = container.is_new() || container.due.is_some_and(|due| due <= now);
        if due && !container.state.is_running() {
            starts.push(index);
        }
        if !container.lets_others_start() && !was_past(containers, index) {
            break;
        }
    }
    starts
}

/// A sidecar or container that fails later does not hold back what was started after it.
fn was_past(containers: &[ContainerRun], index: usize) -> bool {
    containers[index + 1..].iter().any(|later| !later.is_new())
}

/// The phase of a pod with `containers`.
pub(super) fn phase(containers: &[ContainerRun]) -> Phase {
    let main = || containers.iter().filter(|container| !container.init);
    let ended =
        |container: &ContainerRun| matches!(container.state, ContainerState::Terminated { .. });
    let failed_init = containers
        .iter()
        .any(|c| c.init && ended(c) && !c.state.is_completed());
    if failed_init {
        return Phase::Failed;
    }
    if main().any(ContainerRun::is_new) {
        return Phase::Pending;
    }
    if main().all(|container| container.state.is_completed()) {
        return Phase::Succeeded;
    }
    if main().all(ended) {
        return Phase::Failed;
    }
    Phase::Running
}

/// Whether a pod with `containers` takes traffic.
pub(super) fn is_ready(containers: &[ContainerRun]) -> bool {
    containers
        .iter()
        .all(|container| match (container.init, container.sidecar) {
            (true, false) => container.state.is_completed(),
            _ => container.state.is_running() && container.ready,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn runs() -> Vec<ContainerRun> {
        let pod: Pod = serde_json::from_value(json!({"spec": {
            "initContainers": [{"name": "init"}, {"name": "side", "restartPolicy": "Always"}],
            "containers": [{"name": "a"}, {"name": "b"}]}}))
        .expect("a readable pod");
        ContainerRun::all_of(&pod)
    }

    fn start(runs: &mut [ContainerRun], index: usize) {
        runs[index].run += 1;
        runs[index].state = ContainerState::Running {
            since: OffsetDateTime::UNIX_EPOCH,
        };
    }

    #[tokio::test]
    async fn init_containers_run_in_order_and_sidecars_need_only_start() {
        let mut runs = runs();
        let now = Instant::now();
        assert_eq!(next_starts(&runs, now), [0]);
        start(&mut runs, 0);
        assert_eq!(next_starts(&runs, now), Vec::<usize>::new());
        runs[0].has_ended(ProcessEnd::Code(0), String::new(), RestartPolicy::Always);
        assert_eq!(next_starts(&runs, now), [1]);
        start(&mut runs, 1);
        assert_eq!(next_starts(&runs, now), Vec::<usize>::new());
        runs[1].started = true;
        assert_eq!(next_starts(&runs, now), [2]);
        start(&mut runs, 2);
        assert_eq!(next_starts(&runs, now), [3]);
        start(&mut runs, 3);
        assert_eq!(phase(&runs), Phase::Running);
        assert!(!is_ready(&runs));
    }

    #[tokio::test]
    async fn a_failed_init_container_is_tried_again_before_anything_else() {
        let mut runs = runs();
        start(&mut runs, 0);
        runs[0].has_ended(ProcessEnd::Code(1), String::new(), RestartPolicy::Always);
        assert_eq!(next_starts(&runs, Instant::now()), [0]);
        runs[0].has_ended(ProcessEnd::Code(1), String::new(), RestartPolicy::Never);
        assert_eq!(phase(&runs), Phase::Failed);
    }

    #[tokio::test]
    async fn a_container_that_crashes_leaves_the_others_alone() {
        let mut runs = runs();
        for index in 0..4 {
            start(&mut runs, index);
        }
        runs[0].has_ended(ProcessEnd::Code(0), String::new(), RestartPolicy::Always);
        for run in &mut runs[1..] {
            run.started = true;
            run.ready = true;
        }
        assert!(is_ready(&runs));
        runs[1].has_ended(ProcessEnd::Signal(9), String::new(), RestartPolicy::Always);
        assert!(!is_ready(&runs));
        assert_eq!(next_starts(&runs, Instant::now()), [1]);
        assert_eq!(runs[1].restarts, 1);
    }
}
