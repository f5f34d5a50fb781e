//! The task of one pod: set up, bring the containers up, watch, and end when told to.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::containers::{self, ContainerRun};
use super::exec::InitClient;
use super::hooks::CallTarget;
use super::probes::{self, Finding, ProbeReport};
use super::status::{ContainerState, PodStatus};
use crate::images::ImageTable;
use crate::keyed::KeyedObjects;
use crate::kubernetes::Pod;
use crate::launch::protocol::{Event, ProcessEnd, Request, StopSignal};
use crate::launch::spawn::{InitSettings, start_init};
use crate::network::pod::PodNetwork;
use crate::plan::container::{self, PlanSources, host_name};
use crate::plan::fields::Placement;
use crate::plan::refuse;
use crate::plan::volumes::{self, IssueToken, VolumeSources};
use crate::volume_files::write_volume;

/// How long to wait before a set-up that failed is tried again.
const SETUP_AGAIN: Duration = Duration::from_secs(2);
/// How often volumes with tokens are written anew when no token says otherwise.
const TOKEN_REFRESH: Duration = Duration::from_hours(1);

/// What all pods of a sandbox share.
pub struct Pods {
    /// Our own executable.
    pub program: PathBuf,
    /// The image table.
    pub images: ImageTable,
    /// Programs of the mesh: name in a container, path on the host.
    pub programs: BTreeMap<String, PathBuf>,
    /// ConfigMaps and Secrets, as they are now.
    pub objects: watch::Receiver<Arc<KeyedObjects>>,
    /// Issues service-account tokens.
    pub tokens: Arc<dyn IssueToken + Send + Sync>,
    /// The cluster's DNS suffix.
    pub domain: String,
    /// How long a pod that is to go keeps serving after it has been taken out of the endpoints.
    pub withdrawal: Duration,
}

/// One pod to run.
#[derive(Clone, Debug)]
pub struct PodStart {
    /// The pod, after injection.
    pub pod: Pod,
    /// Where it runs.
    pub placement: Placement,
    /// Its network.
    pub network: PodNetwork,
    /// Its directory on the host.
    pub dir: PathBuf,
}

/// What the supervisor tells a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodOrder {
    /// End it; `now` without grace.
    Stop {
        /// Kill at once.
        now: bool,
    },
    /// Tell the neighbours that an address lives here.
    Announce {
        /// The address.
        address: Ipv4Addr,
        /// An address of its range that nobody has.
        nobody: Ipv4Addr,
    },
}

/// What a pod tells the supervisor; the text is the pod's uid.
#[derive(Clone, Debug)]
pub enum PodReport {
    /// It stands differently now.
    Status(String, Box<PodStatus>),
    /// Nothing of it is left.
    Gone(String),
}

/// Starts the task of a pod; orders go through the returned sender.
pub fn spawn_pod(
    shared: Arc<Pods>,
    start: PodStart,
    reports: mpsc::UnboundedSender<PodReport>,
) -> mpsc::UnboundedSender<PodOrder> {
    let (orders, received) = mpsc::unbounded_channel();
    let life = Life::new(shared, start, received, reports);
    tokio::spawn(Box::pin(life.run()));
    orders
}

pub(super) struct Life {
    pub(super) shared: Arc<Pods>,
    pub(super) start: PodStart,
    pub(super) orders: mpsc::UnboundedReceiver<PodOrder>,
    pub(super) reports: mpsc::UnboundedSender<PodReport>,
    pub(super) containers: Vec<ContainerRun>,
    pub(super) init: Option<Arc<InitClient>>,
    pub(super) events: Option<mpsc::UnboundedReceiver<Event>>,
    pub(super) leaving: bool,
    objects: watch::Receiver<Arc<KeyedObjects>>,
    volumes: BTreeMap<String, PathBuf>,
    probe_sender: mpsc::UnboundedSender<ProbeReport>,
    probe_reports: mpsc::UnboundedReceiver<ProbeReport>,
    obstacle: Option<Obstacle>,
    started: OffsetDateTime,
    ready_since: Option<OffsetDateTime>,
    last: Option<PodStatus>,
    tokens_due: Instant,
}

/// What keeps the pod from getting further.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Obstacle {
    reason: &'static str,
    message: String,
}

/// What woke the task.
enum Wake {
    Order(PodOrder),
    Event(Option<Event>),
    Probe(ProbeReport),
    Objects,
    Time,
}

impl Life {
    fn new(
        shared: Arc<Pods>,
        start: PodStart,
        orders: mpsc::UnboundedReceiver<PodOrder>,
        reports: mpsc::UnboundedSender<PodReport>,
    ) -> Self {
        let (probe_sender, probe_reports) = mpsc::unbounded_channel();
        Self {
            containers: ContainerRun::all_of(&start.pod),
            objects: shared.objects.clone(),
            shared,
            start,
            orders,
            reports,
            init: None,
            events: None,
            leaving: false,
            volumes: BTreeMap::new(),
            probe_sender,
            probe_reports,
            obstacle: None,
            started: OffsetDateTime::now_utc(),
            ready_since: None,
            last: None,
            tokens_due: Instant::now() + TOKEN_REFRESH,
        }
    }

    async fn run(mut self) {
        self.tell();
        let now = match self.bring_up().await {
            Ok(()) => self.watch().await,
            Err(now) => now,
        };
        self.shut_down(now).await;
    }

    /// Sets the pod up, trying again until it works. The error is an order to stop.
    async fn bring_up(&mut self) -> Result<(), bool> {
        if let Some(message) = refuse::unsupported(&self.start.pod) {
            self.stuck("Unsupported", message);
            return Err(self.until_stopped().await);
        }
        loop {
            self.objects.mark_unchanged();
            match self.set_up().await {
                Ok(()) => {
                    self.obstacle = None;
                    self.begin_due_containers();
                    self.tell();
                    return Ok(());
                }
                Err(obstacle) => self.stuck(obstacle.reason, obstacle.message),
            }
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(PodOrder::Stop { now }) => return Err(now),
                    None => return Err(true),
                    Some(PodOrder::Announce { .. }) => {}
                },
                _ = self.objects.changed() => {}
                () = tokio::time::sleep(SETUP_AGAIN) => {}
            }
        }
    }

    async fn until_stopped(&mut self) -> bool {
        loop {
            match self.orders.recv().await {
                Some(PodOrder::Stop { now }) => return now,
                None => return true,
                Some(PodOrder::Announce { .. }) => {}
            }
        }
    }

    async fn set_up(&mut self) -> Result<(), Obstacle> {
        let failed = |reason| move |message: String| Obstacle { reason, message };
        let dir = self.start.dir.clone();
        fs::create_dir_all(dir.join("root"))
            .map_err(|error| format!("cannot create {}: {error}", dir.display()))
            .map_err(failed("CreatePodDirectoryError"))?;
        self.fill_volumes(|_| true)
            .map_err(failed("ContainerCreating"))?;
        // Before anything runs: an image that nobody knows is the user's most likely mistake.
        for index in 0..self.containers.len() {
            let container = &self.containers[index];
            if let Err(error) = self.plan(container) {
                let name = &container.spec.name;
                let message = format!("container {name}: {error}");
                let reason = error.reason();
                self.containers[index].state = ContainerState::waiting(reason, error.to_string());
                return Err(Obstacle { reason, message });
            }
        }
        self.start
            .network
            .create()
            .await
            .map_err(|error| Obstacle {
                reason: "NetworkError",
                message: error.to_string(),
            })?;
        let result = self.start_init().await.map_err(failed("PodInitError"));
        if result.is_err() {
            // The next try makes it anew.
            let _ = self.start.network.delete().await;
        }
        result
    }

    async fn start_init(&mut self) -> Result<(), String> {
        let settings = InitSettings {
            program: self.shared.program.clone(),
            netns: self.start.network.netns_path(),
            host_name: host_name(&self.start.pod).to_owned(),
            log_file: self.start.dir.join("pod-init.log"),
        };
        let started = start_init(settings).await;
        let (handle, mut events) = started.map_err(|error| format!("cannot start: {error}"))?;
        match events.recv().await {
            Some(Event::Up) => {}
            _ => return Err("pod init ended at once; see pod-init.log".to_owned()),
        }
        self.init = Some(Arc::new(InitClient::new(handle)));
        self.events = Some(events);
        Ok(())
    }

    /// Writes the volumes that `chosen` picks.
    fn fill_volumes(&mut self, chosen: impl Fn(bool) -> bool) -> Result<(), String> {
        let objects = self.objects.borrow().clone();
        let pod = &self.start.pod;
        let sources = VolumeSources {
            pod,
            placement: &self.start.placement,
            objects: &objects,
            tokens: &*self.shared.tokens,
        };
        let group = pod.spec.security_context.fs_group;
        for volume in &pod.spec.volumes {
            if !chosen(token_life(volume).is_some()) {
                continue;
            }
            let content = volumes::content(volume, &sources).map_err(|error| error.to_string())?;
            let dir = self.start.dir.join("volumes").join(&volume.name);
            let path = write_volume(&dir, &content, group).map_err(|error| error.to_string())?;
            self.volumes.insert(volume.name.clone(), path);
        }
        let shortest = pod.spec.volumes.iter().filter_map(token_life).min();
        self.tokens_due = Instant::now() + shortest.map_or(TOKEN_REFRESH, |life| life * 4 / 5);
        Ok(())
    }

    fn plan(
        &self,
        run: &ContainerRun,
    ) -> Result<crate::launch::protocol::ContainerPlan, container::ContainerError> {
        let objects = self.objects.borrow().clone();
        container::plan(
            &run.spec,
            &PlanSources {
                pod: &self.start.pod,
                placement: &self.start.placement,
                objects: &objects,
                images: &self.shared.images,
                programs: &self.shared.programs,
                dir: &self.start.dir,
                volumes: &self.volumes,
                domain: &self.shared.domain,
            },
        )
    }

    /// Starts every container whose time has come.
    fn begin_due_containers(&mut self) {
        for index in containers::next_starts(&self.containers, Instant::now()) {
            if let Err(message) = self.begin(index) {
                let container = &mut self.containers[index];
                container.state = ContainerState::waiting("CreateContainerConfigError", message);
                container.due = Some(Instant::now() + SETUP_AGAIN);
            }
        }
    }

    fn begin(&mut self, index: usize) -> Result<(), String> {
        let Some(init) = self.init.clone() else {
            return Ok(());
        };
        let plan = self
            .plan(&self.containers[index])
            .map_err(|error| error.to_string())?;
        let plan_file = plan_path(&self.start.dir, &plan.name);
        make_nested_mount_points(&plan.mounts).map_err(|error| error.to_string())?;
        write_private(&plan_file, &plan).map_err(|error| error.to_string())?;
        self.containers[index].begins();
        init.send(Request::Start {
            container: plan.name,
            plan: plan_file,
            log_file: plan.log_file,
        });
        Ok(())
    }

    /// A container's command runs: watch it.
    fn has_started(&mut self, name: &str, pid: i32) {
        let Some(init) = self.init.clone() else {
            return;
        };
        let found = self.containers.iter_mut().find(|run| run.spec.name == name);
        let Some(run) = found else { return };
        let target = CallTarget {
            pod_ip: self.start.network.address.into(),
            container: Arc::clone(&run.spec),
            plan: plan_path(&self.start.dir, name),
            init,
        };
        let watching = probes::watch(target, run.run, self.probe_sender.clone());
        run.has_started(pid, tokio::spawn(Box::pin(watching)).abort_handle());
    }

    /// Runs the pod until it is told to stop.
    async fn watch(&mut self) -> bool {
        loop {
            match self.wake().await {
                Wake::Order(PodOrder::Stop { now }) => return now,
                Wake::Order(PodOrder::Announce { address, nobody }) => {
                    if let Some(init) = &self.init {
                        init.send(Request::Announce { address, nobody });
                    }
                }
                Wake::Event(Some(event)) => self.heard(event),
                Wake::Event(None) => {
                    if let Err(now) = self.revive().await {
                        return now;
                    }
                }
                Wake::Probe(report) => self.found(report),
                Wake::Objects => {
                    if let Err(error) = self.fill_volumes(|has_token| !has_token) {
                        warn!(
                            pod = self.start.pod.key(),
                            error, "volumes keep their old content"
                        );
                    }
                }
                Wake::Time => self.refresh_tokens(),
            }
            self.begin_due_containers();
            self.tell();
        }
    }

    async fn wake(&mut self) -> Wake {
        let next_start = self
            .containers
            .iter()
            .filter_map(|container| container.due)
            .min();
        let next = next_start.unwrap_or(self.tokens_due).min(self.tokens_due);
        let event = async {
            match &mut self.events {
                Some(events) => events.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            order = self.orders.recv() => Wake::Order(order.unwrap_or(PodOrder::Stop { now: true })),
            event = event => Wake::Event(event),
            Some(report) = self.probe_reports.recv() => Wake::Probe(report),
            Ok(()) = self.objects.changed() => Wake::Objects,
            () = tokio::time::sleep_until(next) => Wake::Time,
        }
    }

    fn refresh_tokens(&mut self) {
        if Instant::now() >= self.tokens_due
            && let Err(error) = self.fill_volumes(|has_token| has_token)
        {
            warn!(pod = self.start.pod.key(), error, "tokens are not renewed");
            self.tokens_due = Instant::now() + SETUP_AGAIN;
        }
    }

    pub(super) fn heard(&mut self, event: Event) {
        match event {
            Event::Up => {}
            Event::ExecDone { id, end, output } => {
                if let Some(init) = &self.init {
                    init.answered(id, end, output);
                }
            }
            Event::Started { container, pid } => self.has_started(&container, pid),
            Event::Exited {
                container,
                end,
                message,
            } => {
                let policy = self.start.pod.spec.restart_policy;
                let found = self
                    .containers
                    .iter_mut()
                    .find(|run| run.spec.name == container);
                if let Some(run) = found {
                    debug!(
                        pod = self.start.pod.key(),
                        container,
                        ?end,
                        "container ended"
                    );
                    run.has_ended(end, message, policy);
                }
            }
        }
    }

    fn found(&mut self, report: ProbeReport) {
        let init = self.init.clone();
        let mut runs = self.containers.iter_mut();
        let Some(run) = runs.find(|run| run.spec.name == report.container) else {
            return;
        };
        if run.run != report.run || !run.state.is_running() {
            return;
        }
        match report.finding {
            Finding::Greeted => run.hook_pending = false,
            Finding::Started => run.started = true,
            Finding::Ready(result) => {
                run.ready = result.is_ok();
                if let Err(message) = result {
                    debug!(container = report.container, message, "not ready");
                }
            }
            Finding::Dead(message) => {
                warn!(
                    pod = self.start.pod.key(),
                    container = report.container,
                    message,
                    "restarting"
                );
                if let Some(init) = init {
                    init.send(Request::Signal {
                        container: report.container,
                        signal: StopSignal::Kill,
                    });
                }
            }
        }
    }

    /// Pod init was killed from outside, and with it every container: start over in the same
    /// network namespace. The error is an order to stop.
    async fn revive(&mut self) -> Result<(), bool> {
        warn!(
            pod = self.start.pod.key(),
            "pod init ended; starting the pod again"
        );
        self.init = None;
        self.events = None;
        for run in &mut self.containers {
            run.has_ended(
                ProcessEnd::Signal(9),
                "pod init was killed".to_owned(),
                crate::kubernetes::RestartPolicy::Always,
            );
            // From the first init container on, as the pod's processes are all new.
            run.run = 0;
        }
        loop {
            match self.start_init().await {
                Ok(()) => return Ok(()),
                Err(message) => self.stuck("PodInitError", message),
            }
            tokio::select! {
                now = self.until_stopped() => return Err(now),
                () = tokio::time::sleep(SETUP_AGAIN) => {}
            }
        }
    }

    fn stuck(&mut self, reason: &'static str, message: String) {
        self.obstacle = Some(Obstacle { reason, message });
        self.tell();
    }

    /// Tells the supervisor how the pod stands, if that has changed.
    pub(super) fn tell(&mut self) {
        let ready =
            !self.leaving && self.obstacle.is_none() && containers::is_ready(&self.containers);
        if ready && self.ready_since.is_none() {
            self.ready_since = Some(OffsetDateTime::now_utc());
        }
        if !ready && !self.leaving {
            self.ready_since = None;
        }
        let (reason, message) = self.explanation();
        let status = PodStatus {
            phase: containers::phase(&self.containers),
            ready,
            leaving: self.leaving,
            reason,
            message,
            containers: self.containers.iter().map(ContainerRun::status).collect(),
            started: self.started,
            ready_since: self.ready_since,
        };
        if self.last.as_ref() != Some(&status) {
            self.last = Some(status.clone());
            let uid = self.start.pod.metadata.uid.clone();
            // The supervisor outlives its pods, except while the process ends.
            let _ = self.reports.send(PodReport::Status(uid, Box::new(status)));
        }
    }

    fn explanation(&self) -> (String, String) {
        if let Some(obstacle) = &self.obstacle {
            return (obstacle.reason.to_owned(), obstacle.message.clone());
        }
        let waiting = self.containers.iter().find_map(|run| match &run.state {
            ContainerState::Waiting { reason, message } if !message.is_empty() => Some((
                reason.clone(),
                format!("container {}: {message}", run.spec.name),
            )),
            _ => None,
        });
        waiting.unwrap_or_default()
    }
}

/// Where the plan of a container of the pod at `dir` is kept.
pub(super) fn plan_path(dir: &Path, container: &str) -> PathBuf {
    dir.join(format!("{container}.plan"))
}

/// The plan holds the environment, and so secrets.
fn write_private(
    path: &Path,
    plan: &crate::launch::protocol::ContainerPlan,
) -> std::io::Result<()> {
    let text = serde_json::to_vec(plan).map_err(std::io::Error::other)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&text)
}

/// A volume mounted inside another one needs a directory there; it is made in the outer volume,
/// which the container may only be able to read. A part of a volume (`subPath`) likewise.
fn make_nested_mount_points(mounts: &[crate::launch::protocol::MountPlan]) -> std::io::Result<()> {
    for inner in mounts {
        if !inner.source.exists() {
            fs::create_dir_all(&inner.source)?;
        }
        let target = Path::new(&inner.target);
        let outer = mounts
            .iter()
            .filter(|outer| outer.target != inner.target && target.starts_with(&outer.target))
            .max_by_key(|outer| outer.target.len());
        if let Some(outer) = outer {
            let below = target.strip_prefix(&outer.target).unwrap_or(Path::new(""));
            let place = outer.source.join(below);
            if inner.source.is_dir() {
                fs::create_dir_all(place)?;
            } else if !place.exists() {
                fs::write(place, "")?;
            }
        }
    }
    Ok(())
}

fn token_life(volume: &crate::kubernetes::Volume) -> Option<Duration> {
    let sources = volume
        .projected
        .iter()
        .flat_map(|projected| &projected.sources);
    let tokens = sources.filter_map(|source| source.service_account_token.as_ref());
    let lives = tokens.map(|token| match token.expiration_seconds {
        0 => Duration::from_hours(1),
        // Kubernetes does not issue for less than ten minutes, we for less than a minute.
        seconds => Duration::from_secs(seconds.max(60)),
    });
    lives.min()
}
