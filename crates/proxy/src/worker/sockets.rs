//! Listening sockets, opened on the control side: one per worker and address.
//!
//! A listener that stays at its address keeps its sockets from one generation to the next; workers
//! look the listener up by name at every accept. An address that moves to another listener takes its
//! sockets along, and the connections that wait in them. A socket that cannot be opened is reported
//! and tried again with the next generation; the others work.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferromesh_net::{ListenError, ListenSettings, SocketShelf};
use ferromesh_types::Str;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{error, info};

use super::accept::Queue;
use super::shard::Command;
use crate::cluster::Address;
use crate::compiled::{Config, Listener};

/// Which listener, at which of its configured addresses.
pub(crate) type SocketKey = (Str, SocketAddr);

/// What became of a socket.
#[derive(Clone, Debug)]
pub enum SocketState {
    /// It listens, at this address (which has the port that the system chose for port 0).
    Listening(SocketAddr),
    /// It could not be opened.
    Failed(String),
}

impl SocketState {
    fn is_at(&self, address: SocketAddr) -> bool {
        matches!(self, Self::Listening(at) if *at == address)
    }
}

/// The sockets of all workers. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Sockets {
    workers: Arc<Vec<UnboundedSender<Command>>>,
    shelf: SocketShelf,
    open: Arc<Mutex<HashMap<SocketKey, SocketState>>>,
}

type Wanted<'c> = HashMap<SocketKey, &'c Arc<Listener>>;

impl Sockets {
    pub(crate) fn new(workers: Vec<UnboundedSender<Command>>, shelf: SocketShelf) -> Self {
        Self {
            workers: Arc::new(workers),
            shelf,
            open: Arc::default(),
        }
    }

    /// Opens what `config` has new, closes what it has no more.
    pub(crate) fn reconcile(&self, config: &Config) {
        let mut open = self.lock();
        let wanted = wanted(config);
        let gone: Vec<_> = open
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .cloned()
            .collect();
        let gone: Vec<_> = gone
            .into_iter()
            .filter_map(|key| open.remove(&key).map(|state| (key, state)))
            .collect();
        for (key, listener) in wanted {
            if !matches!(open.get(&key), Some(SocketState::Listening(_))) {
                let state = self.open(&key, listener, &open);
                open.insert(key, state);
            }
        }
        for (key, state) in gone {
            info!(listener = %key.0, address = %key.1, "listener closed");
            self.close(&key, &state, &open);
        }
    }

    /// Closes everything; connections that wait in the queues are served first.
    pub(crate) fn close_all(&self) {
        let mut open = self.lock();
        let all: Vec<_> = open.drain().collect();
        for (key, state) in all {
            self.close(&key, &state, &open);
        }
    }

    /// Stops accepting and leaves the sockets to the process that has them too.
    pub(crate) fn leave_all(&self) {
        for (key, _) in self.lock().drain() {
            self.send(|| Command::Unlisten(key.clone(), Queue::Leave));
        }
    }

    fn open(
        &self,
        key: &SocketKey,
        listener: &Listener,
        open: &HashMap<SocketKey, SocketState>,
    ) -> SocketState {
        let claimed = open.iter().find(|(_, state)| state.is_at(key.1));
        let result = match claimed {
            Some(((other, _), _)) => Err(format!("the listener {other} listens on {}", key.1)),
            None => self
                .open_for_workers(key, listener)
                .map_err(|reason| reason.to_string()),
        };
        match result {
            Ok(address) => {
                info!(listener = %key.0, %address, "listening");
                SocketState::Listening(address)
            }
            Err(reason) => {
                error!(listener = %key.0, %reason, "listener failed");
                SocketState::Failed(reason)
            }
        }
    }

    /// Closes a socket, unless another listener has taken it over.
    fn close(&self, key: &SocketKey, state: &SocketState, open: &HashMap<SocketKey, SocketState>) {
        let SocketState::Listening(address) = *state else {
            return;
        };
        let queue = if open.values().any(|state| state.is_at(address)) {
            Queue::Leave
        } else {
            self.shelf.close(address);
            Queue::Serve
        };
        self.send(|| Command::Unlisten(key.clone(), queue));
    }

    pub(crate) fn states(&self) -> Vec<(Str, SocketAddr, SocketState)> {
        let open = self.lock();
        let mut states: Vec<_> = open
            .iter()
            .map(|((name, address), state)| (name.clone(), *address, state.clone()))
            .collect();
        states.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        states
    }

    fn open_for_workers(
        &self,
        key: &SocketKey,
        listener: &Listener,
    ) -> Result<SocketAddr, ListenError> {
        let mut settings = ListenSettings::new(key.1);
        settings.transparent = listener.transparent;
        settings.freebind = listener.freebind;
        settings.keep_alive = listener.keep_alive;
        if let Some(backlog) = listener.backlog {
            settings.backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        }
        // All are opened before the first is handed out: either every worker has one, or none.
        let sockets = self.shelf.listeners(&settings, self.workers.len())?;
        let address = sockets
            .first()
            .and_then(|socket| socket.local_address().ok());
        for (worker, socket) in self.workers.iter().cycle().zip(sockets) {
            // A worker that has ended needs no socket.
            let _ = worker.send(Command::Listen(key.clone(), socket));
        }
        Ok(address.unwrap_or(key.1))
    }

    fn send(&self, command: impl Fn() -> Command) {
        for worker in self.workers.iter() {
            let _ = worker.send(command());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketKey, SocketState>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sockets that `config` asks for.
fn wanted(config: &Config) -> Wanted<'_> {
    config
        .listeners
        .bound()
        .flat_map(|listener| {
            let addresses = listener.addresses.iter().filter_map(Address::ip);
            addresses.map(move |address| ((listener.name.clone(), address), listener))
        })
        .collect()
}
