//! One worker: its thread, its runtime and what its connections share.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ferromesh_net::Listener as Socket;
use ferromesh_runtime::Published;
use futures_util::FutureExt;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tracing::error;

use super::accept::{Queue, Stop, accept_connections};
use super::gate::Gate;
use super::overload::Overload;
use super::sockets::SocketKey;
use super::stream_tasks::StreamTasks;
use crate::compiled::{Config, FilterChain};
use crate::network_filter::Stream;
use crate::upstream::Pools;

/// How often idle upstream connections are looked over: a second is coarse enough to cost nothing
/// and fine enough for idle times that are configured in seconds.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a formatted date can be right.
const SECOND: Duration = Duration::from_secs(1);

/// What the control side tells a worker.
#[derive(Debug)]
pub(super) enum Command {
    /// Accept on this socket; there may be several of one key.
    Listen(SocketKey, Socket),
    /// Stop accepting on all sockets of the key.
    Unlisten(SocketKey, Queue),
    /// Announce the end on all connections.
    Drain,
    /// End the thread when the last connection has ended.
    EndWhenIdle,
    /// End the thread now.
    End,
}

/// What a thread starts with.
pub(super) struct Seed {
    pub(super) index: usize,
    pub(super) config: Published<Config>,
    pub(super) panics: Arc<AtomicU64>,
    pub(super) overload: Arc<Overload>,
    pub(super) commands: UnboundedReceiver<Command>,
    pub(super) ended: UnboundedSender<()>,
}

/// What the connections of one worker share.
pub(crate) struct Worker {
    /// The published config; load it once per connection or request.
    pub(crate) config: Published<Config>,
    /// Upstream connections.
    pub(crate) pools: Pools,
    /// Who serves the streams of HTTP/2 connections.
    pub(crate) streams: Rc<StreamTasks<Stream>>,
    /// Opens when the process drains.
    pub(crate) draining: Rc<Gate>,
    /// The load of the whole process.
    pub(crate) overload: Arc<Overload>,
    index: usize,
    random: RefCell<fastrand::Rng>,
    /// By address of the chain, which the entry keeps alive.
    chains: RefCell<HashMap<usize, ChainGate>>,
    next_connection: Cell<u64>,
    active: Cell<usize>,
    idle: Notify,
    /// The formatted date, and until when it is right.
    date: RefCell<(Option<Instant>, String)>,
    panics: Arc<AtomicU64>,
}

type ChainGate = (Arc<FilterChain>, Rc<Gate>);

impl Worker {
    fn new(seed: &Seed) -> Self {
        Self {
            config: seed.config.clone(),
            pools: Pools::default(),
            streams: Rc::default(),
            draining: Rc::default(),
            overload: Arc::clone(&seed.overload),
            index: seed.index,
            random: RefCell::new(fastrand::Rng::new()),
            chains: RefCell::default(),
            next_connection: Cell::new(0),
            active: Cell::new(0),
            idle: Notify::new(),
            date: RefCell::default(),
            panics: Arc::clone(&seed.panics),
        }
    }

    /// A uniform random number.
    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// Runs `draw` with the worker's random source.
    pub(crate) fn with_random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.borrow_mut())
    }

    /// A number for a connection, unique in the process: the worker is in the top bits.
    pub(crate) fn connection_id(&self) -> u64 {
        let next = self.next_connection.get() + 1;
        self.next_connection.set(next);
        ((self.index as u64) << 48) | next
    }

    /// The gate of a filter chain: it opens when the chain is no longer part of the config.
    pub(crate) fn chain_gate(&self, chain: &Arc<FilterChain>) -> Rc<Gate> {
        let mut chains = self.chains.borrow_mut();
        let place = Arc::as_ptr(chain) as usize;
        let (_, gate) = chains
            .entry(place)
            .or_insert_with(|| (Arc::clone(chain), Rc::default()));
        Rc::clone(gate)
    }

    /// Calls `put` with the current time as the `date` header writes it; formatted once per second.
    pub(crate) fn with_date(&self, now: Instant, put: impl FnOnce(&str)) {
        let mut date = self.date.borrow_mut();
        if date.0.is_none_or(|until| now >= until) {
            let wall = SystemTime::now();
            let since = wall.duration_since(SystemTime::UNIX_EPOCH);
            let past = since.map_or(0, |since| since.subsec_nanos());
            let left = SECOND.saturating_sub(Duration::from_nanos(u64::from(past)));
            *date = (Some(now + left), httpdate::fmt_http_date(wall));
        }
        put(&date.1);
    }

    /// Runs the handling of a connection as a task of this worker. A panic ends that connection
    /// and is counted; the worker goes on.
    pub(crate) fn spawn(self: &Rc<Self>, connection: impl Future<Output = ()> + 'static) {
        let worker = Rc::clone(self);
        let active = self.begin();
        tokio::task::spawn_local(async move {
            let connection = pin!(connection);
            worker.guard(active, connection).await;
        });
    }

    /// Counts something that runs on this worker; [`Self::guard`] runs it.
    pub(crate) fn begin(self: &Rc<Self>) -> Active {
        self.active.set(self.active.get() + 1);
        Active(Rc::clone(self))
    }

    /// Runs the handling of a connection or stream. A panic ends that and is counted. Pinned,
    /// because a future that is handed over takes its room twice.
    pub(crate) async fn guard(&self, active: Active, handling: Pin<&mut impl Future<Output = ()>>) {
        let guarded = std::panic::AssertUnwindSafe(handling).catch_unwind();
        if guarded.await.is_err() {
            self.panics.fetch_add(1, Ordering::Relaxed);
            error!("the handling of a connection panicked; the connection is closed");
        }
        drop(active);
    }

    async fn all_ended(&self) {
        while self.active.get() > 0 {
            self.idle.notified().await;
        }
    }

    /// Lets go of what the new config has no more.
    fn config_changed(&self) {
        let config = self.config.current();
        let current: HashSet<usize> = config
            .listeners
            .iter()
            .flat_map(|listener| listener.chains.iter())
            .map(|chain| Arc::as_ptr(chain) as usize)
            .collect();
        self.chains.borrow_mut().retain(|place, (_, gate)| {
            let keep = current.contains(place);
            if !keep {
                gate.begin();
            }
            keep
        });
        self.pools.config_changed(&config);
    }
}

/// Something that runs on a worker, which does not end before it.
pub(crate) struct Active(Rc<Worker>);

impl Drop for Active {
    fn drop(&mut self) {
        let left = self.0.active.get() - 1;
        self.0.active.set(left);
        if left == 0 {
            self.0.idle.notify_waiters();
        }
    }
}

/// The body of a worker's thread.
pub(super) fn run(seed: Seed) {
    crate::stats::enter_worker(seed.index);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(reason) => {
            error!(%reason, "a worker cannot start its runtime");
            return;
        }
    };
    runtime.block_on(serve(seed));
}

async fn serve(mut seed: Seed) {
    let worker = Rc::new(Worker::new(&seed));
    let mut accepting: HashMap<SocketKey, Rc<Stop>> = HashMap::new();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ending = false;
    let mut following = true;
    loop {
        tokio::select! {
            command = seed.commands.recv() => match command {
                Some(Command::Listen(key, socket)) => {
                    let name = key.0.clone();
                    let stop = Rc::clone(accepting.entry(key).or_default());
                    let task = accept_connections(Rc::clone(&worker), name, socket, stop);
                    // It counts among the connections: the worker must not end before those that
                    // wait in the socket's queue are taken.
                    worker.spawn(task);
                }
                Some(Command::Unlisten(key, queue)) => {
                    if let Some(stop) = accepting.remove(&key) {
                        stop.begin(queue);
                    }
                }
                Some(Command::Drain) => worker.draining.begin(),
                Some(Command::EndWhenIdle) => ending = true,
                Some(Command::End) | None => break,
            },
            changed = seed.config.changed(), if following => {
                following = changed;
                worker.config_changed();
            }
            _ = sweep.tick() => {
                worker.pools.sweep();
                worker.streams.sweep();
            }
            () = worker.all_ended(), if ending => break,
        }
    }
    // The control side may be gone already.
    let _ = seed.ended.send(());
}
