//! How much the whole process carries, and what it refuses when that is too much.
//!
//! Counted over all workers: one atomic per connection, none per request. The thresholds come from
//! the bootstrap's overload manager; the control runtime looks at memory and sets the switches,
//! workers only read them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ferromesh_types::Str;
use tracing::warn;

use super::handshakes::{Handshake, Handshakes};
use crate::compiled::{Listener, OverloadAction, OverloadSettings};

/// The load of a process. Shared by its workers.
#[derive(Debug)]
pub(crate) struct Overload {
    open: AtomicU64,
    accepted: AtomicU64,
    most: AtomicU64,
    /// Listeners with a limit of their own; empty for most processes.
    listeners: OnceLock<HashMap<Str, Arc<ListenerLoad>>>,
    /// Only with a limit.
    handshakes: OnceLock<Arc<Handshakes>>,
    switches: [AtomicBool; OverloadAction::ALL.len()],
}

#[derive(Debug)]
struct ListenerLoad {
    open: AtomicU64,
    most: u64,
}

/// Counts a connection while it lives.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    process: Arc<Overload>,
    listener: Option<Arc<ListenerLoad>>,
}

impl Default for Overload {
    fn default() -> Self {
        Self {
            open: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            most: AtomicU64::new(u64::MAX),
            listeners: OnceLock::new(),
            handshakes: OnceLock::new(),
            switches: Default::default(),
        }
    }
}

impl Overload {
    /// Counts a connection that `listener` accepted; `None`, counted there, when there are too many.
    pub(crate) fn admit(self: &Arc<Self>, listener: &Listener) -> Option<OpenConnection> {
        let Some(mut admitted) = self.admit_to_process() else {
            listener.stats.downstream_global_cx_overflow().inc();
            return None;
        };
        let listeners = self.listeners.get();
        if let Some(load) = listeners.and_then(|listeners| listeners.get(&listener.name)) {
            let before = load.open.fetch_add(1, Ordering::Relaxed);
            admitted.listener = Some(Arc::clone(load));
            if before >= load.most {
                listener.stats.downstream_cx_overflow().inc();
                return None;
            }
        }
        Some(admitted)
    }

    fn admit_to_process(self: &Arc<Self>) -> Option<OpenConnection> {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let admitted = OpenConnection {
            process: Arc::clone(self),
            listener: None,
        };
        let full = before >= self.most.load(Ordering::Relaxed);
        (!full && !self.is_on(OverloadAction::RejectIncomingConnections)).then_some(admitted)
    }

    /// Counts a connection from `peer` until it is known what it wants; `None` when that source has
    /// too many such connections.
    pub(crate) fn begin_handshake(&self, peer: IpAddr) -> Option<Handshake> {
        match self.handshakes.get() {
            Some(handshakes) => handshakes.begin(peer),
            None => Some(Handshake::default()),
        }
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that were ever accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Takes the limits of a bootstrap.
    pub(crate) fn limit(&self, settings: &OverloadSettings) {
        if let Some(most) = settings.max_connections {
            self.most.store(most, Ordering::Relaxed);
        }
        if let Some(most) = settings.handshakes_per_source {
            // A second bootstrap (none is sent today) changes nothing.
            let _ = self.handshakes.set(Arc::new(Handshakes::new(most)));
        }
        if settings.listeners.is_empty() {
            return;
        }
        let load = |(name, most): (&Str, &u64)| {
            let open = AtomicU64::new(0);
            let load = ListenerLoad { open, most: *most };
            (name.clone(), Arc::new(load))
        };
        let _ = self
            .listeners
            .set(settings.listeners.iter().map(load).collect());
    }

    /// Turns actions on or off, with that many bytes of memory in use.
    pub(crate) fn look(&self, settings: &OverloadSettings, heap: u64) {
        for action in OverloadAction::ALL {
            let on = settings.demands(action, heap, self.open());
            let before = self.switches[action as usize].swap(on, Ordering::Relaxed);
            if on != before {
                warn!(action = action.name(), on, "overload");
            }
        }
    }

    /// Whether an action is on.
    pub(crate) fn is_on(&self, action: OverloadAction) -> bool {
        self.switches[action as usize].load(Ordering::Relaxed)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.process.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            listener.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_beyond_the_limit_are_refused_until_one_ends() {
        let load = Arc::new(Overload::default());
        load.limit(&OverloadSettings {
            max_connections: Some(2),
            ..OverloadSettings::default()
        });
        let first = load.admit_to_process().expect("room");
        let _second = load.admit_to_process().expect("room");
        assert!(load.admit_to_process().is_none());
        drop(first);
        let _third = load.admit_to_process().expect("room again");
        assert_eq!((load.open(), load.accepted()), (2, 4));
    }
}
