//! Listening sockets, opened on the control side: one per worker and address.
//!
//! A listener that stays at its address keeps its sockets from one generation to the next; workers
//! look the listener up by name at every accept. A socket that cannot be opened is reported and
//! tried again with the next generation; the others work.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferromesh_net::{KeepAlive, ListenError, ListenSettings, Listener as Socket};
use ferromesh_types::Str;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{error, info};

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

/// The sockets of all workers. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Sockets {
    workers: Arc<Vec<UnboundedSender<Command>>>,
    open: Arc<Mutex<HashMap<SocketKey, SocketState>>>,
}

impl Sockets {
    pub(crate) fn new(workers: Vec<UnboundedSender<Command>>) -> Self {
        Self {
            workers: Arc::new(workers),
            open: Arc::default(),
        }
    }

    /// Opens what `config` has new, closes what it has no more.
    pub(crate) fn reconcile(&self, config: &Config) {
        let mut open = self.lock();
        let wanted: HashMap<SocketKey, &Arc<Listener>> = config
            .listeners
            .bound()
            .flat_map(|listener| {
                let addresses = listener.addresses.iter().filter_map(Address::ip);
                addresses.map(move |address| ((listener.name.clone(), address), listener))
            })
            .collect();
        let gone: HashSet<_> = open
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .cloned()
            .collect();
        for key in gone {
            open.remove(&key);
            info!(listener = %key.0, address = %key.1, "listener closed");
            self.send(|| Command::Unlisten(key.clone()));
        }
        for (key, listener) in wanted {
            if matches!(open.get(&key), Some(SocketState::Listening(_))) {
                continue;
            }
            let state = match self.open_for_workers(&key, listener) {
                Ok(address) => {
                    info!(listener = %key.0, %address, "listening");
                    SocketState::Listening(address)
                }
                Err(reason) => {
                    error!(listener = %key.0, %reason, "listener failed");
                    SocketState::Failed(reason.to_string())
                }
            };
            open.insert(key, state);
        }
    }

    /// Closes everything.
    pub(crate) fn close_all(&self) {
        for (key, _) in self.lock().drain() {
            self.send(|| Command::Unlisten(key.clone()));
        }
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
        settings.keep_alive = None::<KeepAlive>;
        if let Some(backlog) = listener.backlog {
            settings.backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        }
        // All are opened before the first is handed out: either every worker has one, or none.
        let mut sockets = Vec::with_capacity(self.workers.len());
        for _ in self.workers.iter() {
            let socket = Socket::bind(&settings)?;
            if let Ok(address) = socket.local_address() {
                settings.address = address;
            }
            sockets.push(socket);
        }
        for (worker, socket) in self.workers.iter().zip(sockets) {
            // A worker that has ended needs no socket.
            let _ = worker.send(Command::Listen(key.clone(), socket));
        }
        Ok(settings.address)
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
