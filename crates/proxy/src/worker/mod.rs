//! Workers: each is a thread with its own single-threaded runtime, listening sockets, upstream
//! pools and random source. Nothing mutable is shared on the request path.
//!
//! In: the published config. Out: traffic. [`Workers`] lives on the control side:
//! it binds sockets when the config names new listeners, hands one to each worker, and drains.

mod accept;
mod gate;
mod handshakes;
mod overload;
mod shard;
mod sockets;
mod stream_tasks;
mod timer;
mod transport;
mod turn;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ferromesh_net::SocketShelf;
use ferromesh_runtime::Published;
use ferromesh_types::Str;
use thiserror::Error;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::warn;

pub(crate) use gate::Gate;
pub(crate) use handshakes::Handshake;
pub(crate) use overload::Overload;
pub(crate) use shard::{Active, Worker};
pub use sockets::SocketState;
pub(crate) use stream_tasks::{Seat, StreamTasks};
pub(crate) use timer::Timer;
pub(crate) use transport::Transport;
pub(crate) use turn::Turn;

use crate::compiled::Config;
use shard::Command;
use sockets::Sockets;

/// How to run the workers.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// How many.
    pub workers: usize,
}

/// The workers cannot be started.
#[derive(Debug, Error)]
#[error("cannot start worker {index}: {source}")]
pub struct StartError {
    index: usize,
    #[source]
    source: std::io::Error,
}

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    commands: Vec<UnboundedSender<Command>>,
    threads: Vec<JoinHandle<()>>,
    ended: UnboundedReceiver<()>,
    sockets: Sockets,
    panics: Arc<AtomicU64>,
    overload: Arc<Overload>,
    /// Follows the config once listening has begun.
    reconcile: Option<tokio::task::JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads. Sockets are opened by [`Self::listen`], out of `shelf`.
    pub fn start(
        settings: &WorkerSettings,
        config: &Published<Config>,
        shelf: SocketShelf,
    ) -> Result<Self, StartError> {
        let panics = Arc::new(AtomicU64::new(0));
        let overload = Arc::new(Overload::default());
        let (ended_sender, ended) = unbounded_channel();
        let (mut commands, mut threads) = (Vec::new(), Vec::new());
        for index in 0..settings.workers.max(1) {
            let (sender, receiver) = unbounded_channel();
            let seed = shard::Seed {
                index,
                config: config.clone(),
                panics: Arc::clone(&panics),
                overload: Arc::clone(&overload),
                commands: receiver,
                ended: ended_sender.clone(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || shard::run(seed))
                .map_err(|source| StartError { index, source })?;
            commands.push(sender);
            threads.push(thread);
        }
        Ok(Self {
            sockets: Sockets::new(commands.clone(), shelf),
            commands,
            threads,
            ended,
            panics,
            overload,
            reconcile: None,
        })
    }

    /// Opens the sockets of the current config; later configs are followed. Call it inside a tokio
    /// runtime, the control runtime.
    pub fn listen(&mut self, config: &Published<Config>) {
        self.sockets.reconcile(&config.current());
        let following = follow(config.clone(), self.sockets.clone());
        if let Some(before) = self.reconcile.replace(tokio::spawn(following)) {
            before.abort();
        }
    }

    /// The load of the process.
    pub(crate) fn overload(&self) -> &Arc<Overload> {
        &self.overload
    }

    /// The sockets by listener name and address, with the error of those that could not be opened.
    pub fn sockets(&self) -> Vec<(Str, SocketAddr, SocketState)> {
        self.sockets.states()
    }

    /// A handle for [`Self::sockets`] that can be kept elsewhere.
    pub fn socket_states(&self) -> impl Fn() -> Vec<(Str, SocketAddr, SocketState)> + use<> {
        let sockets = self.sockets.clone();
        move || sockets.states()
    }

    /// Connections whose handling panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Announces the end on every connection without closing listeners: answers carry
    /// `connection: close`, HTTP/2 gets GOAWAY.
    pub fn begin_drain(&self) {
        self.send(|| Command::Drain);
    }

    /// Closes the listening sockets, after taking what waits in their queues. Connections go on.
    pub fn stop_listening(&self) {
        self.stop_following();
        self.sockets.close_all();
    }

    /// Leaves the listening sockets to a successor. Connections go on.
    pub fn leave_sockets(&self) {
        self.stop_following();
        self.sockets.leave_all();
    }

    fn stop_following(&self) {
        if let Some(following) = &self.reconcile {
            following.abort();
        }
    }

    /// Stops accepting, lets the requests in flight end for at most `limit`, then ends the threads.
    pub async fn drain(mut self, limit: Duration) {
        self.stop_listening();
        self.begin_drain();
        self.send(|| Command::EndWhenIdle);
        let all_ended = async {
            for _ in 0..self.threads.len() {
                let _ = self.ended.recv().await;
            }
        };
        if tokio::time::timeout(limit, all_ended).await.is_err() {
            warn!(
                ?limit,
                "requests were still in flight at the end of the drain time"
            );
            self.send(|| Command::End);
        }
        for thread in std::mem::take(&mut self.threads) {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                warn!("a worker thread ended by a panic");
            }
        }
    }

    fn send(&self, command: impl Fn() -> Command) {
        for worker in &self.commands {
            // A worker that has ended needs no command.
            let _ = worker.send(command());
        }
    }
}

async fn follow(mut config: Published<Config>, sockets: Sockets) {
    while config.changed().await {
        sockets.reconcile(&config.current());
    }
}
