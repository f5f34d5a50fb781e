//! The task of one pod: set up, bring the containers up, watch, and end when told to.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::containers::{self, ContainerRun};
use super::exec::InitClient;
use super::probes::{Finding, ProbeReport};
use super::status::{ContainerState, PodStatus};
use crate::images::ImageTable;
use crate::keyed::KeyedObjects;
use crate::kubernetes::Pod;
use crate::launch::protocol::{Event, Request, StopSignal};
use crate::network::pod::PodNetwork;
use crate::network::services::ServiceRoutes;
use crate::plan::fields::Placement;
use crate::plan::volumes::IssueToken;

/// How long to wait before a set-up that failed is tried again.
pub(super) const SETUP_AGAIN: Duration = Duration::from_secs(2);
/// How often volumes with tokens are written anew when no token says otherwise.
pub(super) const TOKEN_REFRESH: Duration = Duration::from_hours(1);

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
    /// Where cluster addresses lead, for pods without a sidecar.
    pub routes: watch::Receiver<Arc<ServiceRoutes>>,
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
    /// Whether a sidecar takes its connections.
    pub captured: bool,
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
    pub(super) objects: watch::Receiver<Arc<KeyedObjects>>,
    pub(super) routes: watch::Receiver<Arc<ServiceRoutes>>,
    pub(super) volumes: BTreeMap<String, PathBuf>,
    pub(super) probe_sender: mpsc::UnboundedSender<ProbeReport>,
    pub(super) probe_reports: mpsc::UnboundedReceiver<ProbeReport>,
    pub(super) obstacle: Option<Obstacle>,
    pub(super) started: OffsetDateTime,
    pub(super) ready_since: Option<OffsetDateTime>,
    pub(super) last: Option<PodStatus>,
    pub(super) tokens_due: Instant,
}

/// What keeps the pod from getting further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What woke the task.
enum Wake {
    Order(PodOrder),
    Event(Option<Event>),
    Probe(ProbeReport),
    Objects,
    Routes,
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
            routes: shared.routes.clone(),
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
                Wake::Routes => {
                    if let Err(error) = self.route_services(false).await {
                        warn!(pod = self.start.pod.key(), %error, "services keep their old routes");
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
            Ok(()) = self.routes.changed(), if !self.start.captured => Wake::Routes,
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

    pub(super) fn stuck(&mut self, reason: &'static str, message: String) {
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
