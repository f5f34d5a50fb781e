//! The facade: one running proxy, as the process that holds it sees it.
//!
//! [`Proxy::start`] starts the workers on an empty config. Config then comes from a bootstrap
//! ([`ProxyHandle::apply_bootstrap`]), from an aggregated stream ([`ProxyHandle::run_xds`]) or both.
//! All of it happens on the runtime that called `start`, the control runtime; workers only read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ferromesh_net::SocketShelf;
use ferromesh_proto::envoy::config::bootstrap::v3::Bootstrap;
use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_runtime::Published;
use ferromesh_telemetry::LogHandle;
use ferromesh_tls::SecretStore;
use ferromesh_types::Str;
use thiserror::Error;
use tokio::sync::Notify;

mod readiness;
mod stream;

pub use readiness::ServerState;

use readiness::Readiness;

use crate::access_log::LogSinks;
use crate::bootstrap::{self, BootstrapSettings};
use crate::cluster::dns::DnsResolvers;
use crate::cluster::{NameCaches, health_check, outlier};
use crate::compiled::{Config, OverloadSettings};
use crate::snapshot::Live;
use crate::stats::Stats;
use crate::stats::groups::ControlStats;
use crate::worker::{Overload, SocketState, StartError, WorkerSettings, Workers};
use crate::xds::{Compiler, Refusal};

/// How long the end waits for access logs to be written.
const FLUSH: Duration = Duration::from_secs(1);

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
    pub(crate) overload: Arc<Overload>,
    pub(crate) concurrency: usize,
    /// Since when config has been there, and whether the proxy has been ready since.
    readiness: Mutex<Readiness>,
    pub(crate) draining: AtomicBool,
    pub(crate) health_failed: AtomicBool,
    pub(crate) quit: Notify,
    resolvers: Mutex<DnsResolvers>,
    /// Told when something that config waits for has come.
    changed: Arc<Notify>,
}

impl Proxy {
    /// Starts the workers, listening. Call it inside a tokio runtime.
    pub fn start(settings: ProxySettings) -> Result<ProxyHandle, ProxyError> {
        let handle = Self::start_on(settings, SocketShelf::new())?;
        handle.listen();
        Ok(handle)
    }

    /// Starts the workers; their sockets come from `shelf`, when [`ProxyHandle::listen`] is called.
    pub fn start_on(
        settings: ProxySettings,
        shelf: SocketShelf,
    ) -> Result<ProxyHandle, ProxyError> {
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
            names: NameCaches::default(),
        };
        let live = Live::new(compiler.clone());
        let published = live.published();
        let workers = Workers::start(
            &WorkerSettings {
                workers: concurrency,
            },
            &published,
            shelf,
        )?;
        let overload = Arc::clone(workers.overload());
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
            overload,
            concurrency,
            readiness: Mutex::default(),
            draining: AtomicBool::new(false),
            health_failed: AtomicBool::new(false),
            quit: Notify::new(),
            resolvers: Mutex::new(DnsResolvers::new(Arc::clone(&changed))),
            changed: Arc::clone(&changed),
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
        self.shared.overload.limit(&settings.overload);
        if !settings.overload.actions.is_empty() {
            tokio::spawn(self.clone().watch_load(settings.overload.clone()));
        }
        // A second bootstrap (none is sent today) would show as the first.
        let _ = self.shared.bootstrap.set((kept, SystemTime::now()));
        let mut readiness = lock(&self.shared.readiness);
        if settings.ads.is_none() {
            readiness.configured = Some(Instant::now());
        }
        Ok(settings)
    }

    /// Announces the end on all connections, without closing listeners.
    pub fn begin_drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        if let Some(workers) = lock(&self.shared.workers).as_ref() {
            workers.begin_drain();
        }
    }

    /// Opens the listening sockets of the config in force and follows later ones.
    pub fn listen(&self) {
        if let Some(workers) = lock(&self.shared.workers).as_mut() {
            workers.listen(&self.shared.published);
        }
    }

    /// Leaves the listening sockets to a process that has them too; connections go on.
    pub fn leave_sockets(&self) {
        if let Some(workers) = lock(&self.shared.workers).as_ref() {
            workers.leave_sockets();
        }
    }

    /// Downstream connections: open now, and accepted since the start.
    pub fn connections(&self) -> (u64, u64) {
        let overload = &self.shared.overload;
        (overload.open(), overload.accepted())
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
        let sinks = Arc::clone(&self.shared.compiler.sinks);
        // A panic there would be reported by its thread; the logs are then as they are.
        let _ = tokio::task::spawn_blocking(move || sinks.flush(FLUSH)).await;
    }

    /// Resolves when somebody asked the admin interface to end the process.
    pub async fn quit_requested(&self) {
        self.shared.quit.notified().await;
    }

    /// The admin interface, to be served wherever the process likes.
    pub fn admin_router(&self) -> axum::Router {
        crate::admin::router(self.clone())
    }

    /// Looks at memory and connections from time to time and switches what workers refuse.
    async fn watch_load(self, settings: OverloadSettings) {
        let mut tick = tokio::time::interval(settings.refresh);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let heap = ferromesh_net::resident_bytes().unwrap_or(0);
            self.shared.overload.look(&settings, heap);
        }
    }

    /// Begins what runs beside the clusters: looking up names, judging endpoints.
    fn resolve(&self, live: &Live) {
        lock(&self.shared.resolvers).follow(live.cluster_objects());
        for cluster in live.cluster_objects() {
            outlier::watch::follow(cluster);
            health_check::watch::follow(cluster, &self.shared.changed);
        }
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
            live.refresh_secret_files();
            if live.is_waiting() {
                live.settle(Instant::now());
            }
            for cluster in live.cluster_objects() {
                cluster.on_demand.clean_up();
            }
        }
    }
}
