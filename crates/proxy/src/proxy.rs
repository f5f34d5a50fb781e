//! The facade: one running proxy, as the process that holds it sees it.
//!
//! [`Proxy::start`] starts the workers on an empty config. Config then comes from a bootstrap
//! ([`ProxyHandle::apply_bootstrap`]), from an aggregated stream ([`ProxyHandle::run_xds`]) or both.
//! All of it happens on the runtime that called `start`, the control runtime; workers only read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ferromesh_proto::envoy::config::bootstrap::v3::Bootstrap;
use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_proto::type_url;
use ferromesh_runtime::Published;
use ferromesh_telemetry::LogHandle;
use ferromesh_tls::SecretStore;
use ferromesh_types::Str;
use ferromesh_xds::client::{Command, Event, TypeUpdate};
use thiserror::Error;
use tokio::sync::{Notify, mpsc};
use tracing::{info, warn};

use crate::access_log::LogSinks;
use crate::bootstrap::{self, BootstrapSettings};
use crate::cluster::dns::DnsResolvers;
use crate::compiled::Config;
use crate::snapshot::{Live, Verdict};
use crate::stats::Stats;
use crate::stats::groups::ControlStats;
use crate::worker::{SocketState, StartError, WorkerSettings, Workers};
use crate::xds::{Compiler, Refusal};

/// How long what was first accepted may warm before the proxy calls itself ready nevertheless: a
/// gateway whose certificate is missing still serves its other listeners.
const WARM_UP: Duration = Duration::from_secs(5);

/// How often waiting config and unused destinations are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How to run a proxy.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// How many workers; 0 means one per core.
    pub workers: usize,
    /// The process's log, for `/logging`; `None` leaves that path without effect.
    pub log: Option<LogHandle>,
    /// Shown by `/server_info`.
    pub version: String,
    /// Who we are; a bootstrap's node takes its place.
    pub node: Option<Node>,
}

/// The proxy cannot be started.
#[derive(Debug, Error)]
pub enum ProxyError {
    /// A worker thread could not be started.
    #[error(transparent)]
    Workers(#[from] StartError),
}

/// A proxy that is not running yet.
#[derive(Debug)]
pub struct Proxy;

/// A running proxy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProxyHandle {
    pub(crate) shared: Arc<Shared>,
}

/// What the tasks of one proxy share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: ProxySettings,
    pub(crate) live: Mutex<Live>,
    pub(crate) compiler: Compiler,
    pub(crate) published: Published<Config>,
    pub(crate) control: ControlStats,
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
    pub(crate) bootstrap: OnceLock<(Bootstrap, SystemTime)>,
    pub(crate) workers: Mutex<Option<Workers>>,
    pub(crate) concurrency: usize,
    /// Since when config has been there, and whether the proxy has been ready since.
    readiness: Mutex<Readiness>,
    pub(crate) draining: AtomicBool,
    pub(crate) health_failed: AtomicBool,
    pub(crate) quit: Notify,
    resolvers: Mutex<DnsResolvers>,
}

#[derive(Debug, Default)]
struct Readiness {
    configured: Option<Instant>,
    ready: bool,
    static_only: bool,
}

/// What the proxy is doing, with Envoy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Serving.
    Live,
    /// Finishing requests, taking no new ones.
    Draining,
    /// Without config.
    PreInitializing,
    /// Config has come and warms.
    Initializing,
}

impl ServerState {
    /// As in Envoy's `/ready`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Draining => "DRAINING",
            Self::PreInitializing => "PRE_INITIALIZING",
            Self::Initializing => "INITIALIZING",
        }
    }
}

impl Proxy {
    /// Starts the workers. Call it inside a tokio runtime.
    pub fn start(settings: ProxySettings) -> Result<ProxyHandle, ProxyError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let concurrency = match settings.workers {
            0 => cores,
            workers => workers,
        };
        let stats = Stats::new(concurrency);
        let compiler = Compiler {
            stats: stats.clone(),
            secrets: SecretStore::new(),
            sinks: Arc::new(LogSinks::default()),
        };
        let live = Live::new(compiler.clone());
        let published = live.published();
        let workers = Workers::start(
            &WorkerSettings {
                workers: concurrency,
            },
            &published,
        )?;
        let changed = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            settings,
            live: Mutex::new(live),
            control: ControlStats::new(&stats, ""),
            compiler,
            published,
            started: Instant::now(),
            started_at: SystemTime::now(),
            bootstrap: OnceLock::new(),
            workers: Mutex::new(Some(workers)),
            concurrency,
            readiness: Mutex::default(),
            draining: AtomicBool::new(false),
            health_failed: AtomicBool::new(false),
            quit: Notify::new(),
            resolvers: Mutex::new(DnsResolvers::new(Arc::clone(&changed))),
        });
        shared.control.workers_started().set(1);
        let handle = ProxyHandle { shared };
        tokio::spawn(handle.clone().keep_settling(changed));
        Ok(handle)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProxyHandle {
    /// Where the agent puts `default` and `ROOTCA`.
    pub fn secrets(&self) -> &SecretStore {
        &self.shared.compiler.secrets
    }

    /// The proxy's numbers.
    pub fn stats(&self) -> &Stats {
        &self.shared.compiler.stats
    }

    /// The config in force.
    pub fn config(&self) -> Published<Config> {
        self.shared.published.clone()
    }

    /// Adds the static resources of a bootstrap; gives what the process must do itself.
    pub fn apply_bootstrap(&self, bootstrap: Bootstrap) -> Result<BootstrapSettings, Refusal> {
        let mut live = lock(&self.shared.live);
        let kept = bootstrap.clone();
        let settings = bootstrap::apply(bootstrap, &self.shared.compiler, &mut live)?;
        live.settle(Instant::now());
        self.resolve(&live);
        drop(live);
        // A second bootstrap (none is sent today) would show as the first.
        let _ = self.shared.bootstrap.set((kept, SystemTime::now()));
        let mut readiness = lock(&self.shared.readiness);
        readiness.static_only = settings.ads.is_none();
        if readiness.static_only {
            readiness.configured = Some(Instant::now());
        }
        Ok(settings)
    }

    /// Subscribes to clusters and listeners and follows the stream until its events end. Types that
    /// are not the proxy's are left to whoever reads the stream before.
    pub async fn run_xds(
        &self,
        mut events: mpsc::Receiver<Event>,
        commands: mpsc::Sender<Command>,
    ) {
        for kind in [type_url::CLUSTER, type_url::LISTENER] {
            if commands
                .send(Command::Wildcard(kind.to_owned()))
                .await
                .is_err()
            {
                return;
            }
        }
        while let Some(event) = events.recv().await {
            match event {
                Event::Connected => {
                    self.shared.control.connected_state().set(1);
                    info!("connected to the control plane");
                }
                Event::Disconnected { reason } => {
                    self.shared.control.connected_state().set(0);
                    warn!(%reason, "disconnected from the control plane; the last config stays");
                }
                Event::Update(update) => {
                    for command in self.apply_update(&update) {
                        if commands.send(command).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Compiles and publishes one update of the stream; gives the answer and the subscriptions that
    /// follow from it. Empty for types that are not the proxy's.
    pub fn apply_update(&self, update: &TypeUpdate) -> Vec<Command> {
        if !is_ours(&update.type_url) {
            return Vec::new();
        }
        let mut live = lock(&self.shared.live);
        let verdict = live.apply(update, Instant::now());
        let subscriptions = live.subscribe();
        self.resolve(&live);
        let seen = live.has_seen(type_url::CLUSTER) && live.has_seen(type_url::LISTENER);
        drop(live);
        if seen {
            lock(&self.shared.readiness)
                .configured
                .get_or_insert_with(Instant::now);
        }
        self.count(update, &verdict);
        std::iter::once(answer(update, &verdict))
            .chain(subscriptions)
            .collect()
    }

    fn count(&self, update: &TypeUpdate, verdict: &Verdict) {
        let control = &self.shared.control;
        let accepted = verdict.refusals.is_empty();
        match (update.type_url.as_str(), accepted) {
            (type_url::CLUSTER, true) => control.cds_update_success().inc(),
            (type_url::CLUSTER, false) => control.cds_update_rejected().inc(),
            (type_url::LISTENER, true) => control.lds_update_success().inc(),
            (type_url::LISTENER, false) => control.lds_update_rejected().inc(),
            _ => {}
        }
    }

    /// What the proxy is doing.
    pub fn state(&self) -> ServerState {
        if self.shared.draining.load(Ordering::Relaxed)
            || self.shared.health_failed.load(Ordering::Relaxed)
        {
            return ServerState::Draining;
        }
        let mut readiness = lock(&self.shared.readiness);
        if readiness.ready {
            return ServerState::Live;
        }
        let Some(configured) = readiness.configured else {
            return ServerState::PreInitializing;
        };
        let warm = !lock(&self.shared.live).is_warming_first();
        readiness.ready = warm || configured.elapsed() >= WARM_UP;
        if readiness.ready {
            ServerState::Live
        } else {
            ServerState::Initializing
        }
    }

    /// Whether the proxy serves.
    pub fn is_ready(&self) -> bool {
        self.state() == ServerState::Live
    }

    /// Announces the end on all connections, without closing listeners.
    pub fn begin_drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        if let Some(workers) = lock(&self.shared.workers).as_ref() {
            workers.begin_drain();
        }
    }

    /// Closes the listening sockets; connections go on.
    pub fn stop_listening(&self) {
        if let Some(workers) = lock(&self.shared.workers).as_ref() {
            workers.stop_listening();
        }
    }

    /// The listening sockets: listener, configured address, state. Empty once drained.
    pub fn sockets(&self) -> Vec<(Str, SocketAddr, SocketState)> {
        let workers = lock(&self.shared.workers);
        workers.as_ref().map(Workers::sockets).unwrap_or_default()
    }

    /// All numbers in Prometheus' text form.
    pub fn prometheus(&self) -> String {
        crate::admin::prometheus(self)
    }

    /// Who we are: the bootstrap's node, else that of the settings.
    pub fn node(&self) -> Option<Node> {
        let of_bootstrap = self.shared.bootstrap.get();
        let node = of_bootstrap.and_then(|(bootstrap, _)| bootstrap.node.clone());
        node.or_else(|| self.shared.settings.node.clone())
    }

    /// Stops accepting and waits for requests in flight, at most for `limit`. The proxy is at its
    /// end afterwards.
    pub async fn drain(&self, limit: Duration) {
        self.shared.draining.store(true, Ordering::Relaxed);
        let workers = lock(&self.shared.workers).take();
        if let Some(workers) = workers {
            workers.drain(limit).await;
        }
    }

    /// Resolves when somebody asked the admin interface to end the process.
    pub async fn quit_requested(&self) {
        self.shared.quit.notified().await;
    }

    /// The admin interface, to be served wherever the process likes.
    pub fn admin_router(&self) -> axum::Router {
        crate::admin::router(self.clone())
    }

    fn resolve(&self, live: &Live) {
        lock(&self.shared.resolvers).follow(live.cluster_objects());
    }

    /// Looks again whenever a secret or a DNS answer came, and from time to time.
    async fn keep_settling(self, changed: Arc<Notify>) {
        let mut secrets = self.secrets().reader();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                alive = secrets.changed() => if !alive { return },
                () = changed.notified() => {},
                _ = tick.tick() => {},
            }
            let mut live = lock(&self.shared.live);
            if live.is_waiting() {
                live.settle(Instant::now());
            }
            for cluster in live.cluster_objects() {
                if cluster.is_original_destination() {
                    cluster.original_destinations.clean_up();
                }
            }
        }
    }
}

fn is_ours(kind: &str) -> bool {
    [
        type_url::CLUSTER,
        type_url::ENDPOINT,
        type_url::LISTENER,
        type_url::ROUTE,
        type_url::SECRET,
    ]
    .contains(&kind)
}

fn answer(update: &TypeUpdate, verdict: &Verdict) -> Command {
    let type_url = update.type_url.clone();
    let nonce = update.nonce.clone();
    match verdict.nack() {
        None => Command::Ack { type_url, nonce },
        Some(detail) => Command::Nack {
            type_url,
            nonce,
            detail,
        },
    }
}
