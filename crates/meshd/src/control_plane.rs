//! What all parts of the process share: the cache, the connected proxies, the authority, readiness.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ferromesh_config::{Object, Problem};
use ferromesh_ingest::Change;
use ferromesh_model::Snapshot;
use ferromesh_runtime::Publisher;
use ferromesh_types::{ResourceKey, Str};
use ferromesh_xds::NameInterner;
use tokio::sync::{Semaphore, watch};

use crate::metrics::Metrics;
use crate::push::cache::Cache;
use crate::push::connection::Connection;

/// Shared by every task of the process.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    /// Generated resources.
    pub(crate) cache: Cache,
    /// Connected proxies.
    pub(crate) connections: Connections,
    /// Lists of names that proxies subscribe to.
    pub(crate) names: Arc<NameInterner>,
    /// How many proxies are worked on at once.
    pub(crate) scheduler: Semaphore,
    /// Counters.
    pub(crate) metrics: Metrics,
    /// What is wrong with the config.
    pub(crate) problems: Publisher<Vec<Problem>>,
    objects: Mutex<BTreeMap<ResourceKey, Arc<Object>>>,
    ready: watch::Sender<bool>,
}

impl ControlPlane {
    /// A control plane that has read nothing yet. `throttle` proxies are worked on at once.
    pub(crate) fn new(snapshot: Arc<Snapshot>, throttle: usize) -> Self {
        Self {
            cache: Cache::new(snapshot),
            connections: Connections::default(),
            names: Arc::default(),
            scheduler: Semaphore::new(throttle.max(1)),
            metrics: Metrics::default(),
            problems: Publisher::new(Vec::new()),
            objects: Mutex::default(),
            ready: watch::Sender::new(false),
        }
    }

    /// Keeps the objects in force, for the debug page.
    pub(crate) fn keep_objects(&self, changes: &[Change]) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match &change.new {
                Some(new) => objects.insert(change.key.clone(), Arc::clone(new)),
                None => objects.remove(&change.key),
            };
        }
    }

    /// The objects in force.
    pub(crate) fn objects(&self) -> Vec<Arc<Object>> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.values().cloned().collect()
    }

    /// The first state of the mesh is published: proxies may come.
    pub(crate) fn become_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Whether proxies may come.
    pub(crate) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }
}

/// The connected proxies by connection id.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<BTreeMap<Str, Arc<Connection>>>);

impl Connections {
    /// Adds one.
    pub(crate) fn add(&self, connection: Arc<Connection>) {
        self.lock().insert(connection.id.clone(), connection);
    }

    /// Removes one.
    pub(crate) fn remove(&self, id: &Str) {
        self.lock().remove(id);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().values().cloned().collect()
    }

    /// Calls `visit` for each; gives back how often it said yes.
    pub(crate) fn concerned(&self, visit: impl Fn(&Connection) -> bool) -> usize {
        self.lock()
            .values()
            .filter(|connection| visit(connection))
            .count()
    }

    /// The connection of the proxy with this node id, or whose id begins with `name.namespace`.
    pub(crate) fn of_proxy(&self, name: &str) -> Option<Arc<Connection>> {
        let connections = self.lock();
        let short = |connection: &Connection| {
            let workload = connection.proxy().id.split('~').nth(2);
            workload == Some(name)
        };
        connections
            .values()
            .find(|connection| connection.proxy().id == *name || connection.id == *name)
            .or_else(|| connections.values().find(|connection| short(connection)))
            .cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Str, Arc<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
