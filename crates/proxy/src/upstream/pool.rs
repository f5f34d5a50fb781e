//! The upstream connections of one worker: one pool per cluster, endpoint and way of speaking.
//!
//! HTTP/1.1 connections are lent out alone and come back at the end of an exchange; the one that
//! came back last is lent first, so that the others can grow idle and be closed. HTTP/2 connections
//! are shared. A pool whose cluster has left the config is closed: what it lent ends with its
//! exchange.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ferromesh_http::http2::ASSUMED_STREAMS;
use tokio::sync::Notify;

use super::acquire::{SharedFailure, Speak};
use super::http1::Http1Upstream;
use super::http2::Http2Connection;
use super::preconnect::{Load, Predictions};
use crate::cluster::{Availability, Endpoint, EndpointSet};
use crate::compiled::{Cluster, Config};

/// What makes two requests share connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub(super) cluster: usize,
    pub(super) endpoint: usize,
    pub(super) transport: usize,
    /// What the request changes about the connection (server name, ALPN).
    pub(super) variant: u64,
    pub(super) http: u8,
}

/// All pools of a worker.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    by_key: RefCell<HashMap<PoolKey, Rc<Pool>, foldhash::fast::RandomState>>,
    /// The endpoint sets that the last sweep saw, by cluster.
    swept: RefCell<HashMap<usize, Arc<EndpointSet>>>,
    /// Where requests to come will go, for clusters that prepare for them.
    pub(super) predictions: Predictions,
}

/// Connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) cluster: Arc<Cluster>,
    pub(super) endpoint: Arc<Endpoint>,
    // Boxed: a connection in use is, too, and is too large to be moved about.
    #[allow(clippy::vec_box)]
    idle: RefCell<Vec<Box<Http1Upstream>>>,
    http2: RefCell<Vec<Rc<Http2Connection>>>,
    /// A connection that may turn out to be HTTP/2 is being made; others wait for it.
    pub(super) connecting: Cell<bool>,
    /// Streams that the endpoint admits on one HTTP/2 connection, once it has said so: a new one
    /// need not find out by being refused.
    pub(super) learnt: Rc<Cell<Option<usize>>>,
    /// ALPN has chosen HTTP/1.1 before, so that nobody waits for another's connection.
    pub(super) unshared: Cell<bool>,
    /// How the last connection could not be made, and how many could not.
    pub(super) failed: RefCell<(u64, Option<SharedFailure>)>,
    /// HTTP/1.1 connections that are lent.
    pub(super) open: Cell<u32>,
    /// Requests that wait for a connection.
    pub(super) waiting: Cell<u32>,
    /// Connections that are being made before a request needs them.
    pub(super) ahead: Cell<u32>,
    /// Requests that wait for one of those.
    pub(super) expected: Cell<u32>,
    closed: Cell<bool>,
    /// Something came back or was made.
    pub(super) changed: Rc<Notify>,
}

impl Pools {
    pub(super) fn pool(
        &self,
        key: PoolKey,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<Endpoint>,
    ) -> Rc<Pool> {
        let mut pools = self.by_key.borrow_mut();
        let pool = pools.entry(key).or_insert_with(|| {
            Rc::new(Pool {
                cluster: Arc::clone(cluster),
                endpoint: Arc::clone(endpoint),
                idle: RefCell::default(),
                http2: RefCell::default(),
                connecting: Cell::new(false),
                learnt: Rc::default(),
                unshared: Cell::new(false),
                failed: RefCell::default(),
                open: Cell::new(0),
                waiting: Cell::new(0),
                ahead: Cell::new(0),
                expected: Cell::new(0),
                closed: Cell::new(false),
                changed: Rc::default(),
            })
        });
        Rc::clone(pool)
    }

    /// Closes the pools of clusters that are gone or were replaced.
    pub(crate) fn config_changed(&self, config: &Config) {
        self.by_key.borrow_mut().retain(|_, pool| {
            let current = config.cluster(&pool.cluster.name);
            let keep = current.is_some_and(|current| Arc::ptr_eq(current, &pool.cluster));
            if !keep {
                pool.close();
            }
            keep
        });
        self.swept.borrow_mut().clear();
        self.predictions.clear();
    }

    /// What all pools of a cluster carry.
    pub(super) fn load(&self, cluster: &Arc<Cluster>, speak: Speak) -> Load {
        let pools = self.by_key.borrow();
        let of_cluster = pools
            .values()
            .filter(|pool| Arc::ptr_eq(&pool.cluster, cluster));
        of_cluster.fold(Load::default(), |all, pool| {
            let each = pool.load(speak);
            Load {
                requests: all.requests + each.requests,
                spare: all.spare + each.spare,
            }
        })
    }

    /// Closes what was idle too long or was closed by the other side; forgets empty pools and
    /// endpoints that are gone.
    pub(crate) fn sweep(&self) {
        let removed = self.removed_endpoints();
        let now = Instant::now();
        self.by_key.borrow_mut().retain(|key, pool| {
            let gone = removed.contains(&(key.cluster, key.endpoint));
            if gone {
                pool.close();
            } else {
                pool.sweep(now);
            }
            !gone && !pool.is_empty()
        });
    }

    /// Cluster and endpoint of pools whose endpoint is no longer in the cluster's set. Looks only at
    /// clusters whose set changed since the last sweep.
    fn removed_endpoints(&self) -> HashSet<(usize, usize)> {
        let mut swept = self.swept.borrow_mut();
        let mut removed = HashSet::new();
        let mut members: HashMap<usize, Option<HashSet<usize>>> = HashMap::new();
        for (key, pool) in self.by_key.borrow().iter() {
            if pool.cluster.follows_clients() {
                continue;
            }
            let members = members.entry(key.cluster).or_insert_with(|| {
                let set = pool.cluster.endpoints.current();
                let last = swept.insert(key.cluster, Arc::clone(&set));
                let same = last.is_some_and(|last| Arc::ptr_eq(&last, &set));
                let close = pool.cluster.close_connections_on_health_failure;
                (!same).then(|| endpoint_places(&set, close))
            });
            if members
                .as_ref()
                .is_some_and(|set| !set.contains(&key.endpoint))
            {
                removed.insert((key.cluster, key.endpoint));
            }
        }
        removed
    }
}

/// The endpoints whose connections stay: all, or only those that are not known to be unhealthy.
fn endpoint_places(set: &EndpointSet, close_unhealthy: bool) -> HashSet<usize> {
    let heeds = set.settings.heeds;
    let stays = |endpoint: &&Arc<Endpoint>| {
        !close_unhealthy || endpoint.availability(heeds) != Availability::Unhealthy
    };
    set.endpoints()
        .filter(stays)
        .map(|endpoint| Arc::as_ptr(&endpoint.counters) as usize)
        .collect()
}

impl Pool {
    /// Takes an HTTP/1.1 connection that is still good; in doubt, the kernel is asked.
    pub(super) fn take_idle(self: &Rc<Self>, doubts: bool) -> Option<Box<Http1Upstream>> {
        loop {
            let idle = self.idle.borrow_mut().pop()?;
            if let Some(connection) = idle.into_use(self, doubts) {
                return Some(connection);
            }
        }
    }

    /// Takes a connection back, unless the pool is closed.
    pub(super) fn give_back(&self, connection: Box<Http1Upstream>) {
        if !self.closed.get() {
            self.idle.borrow_mut().push(connection);
            self.changed.notify_one();
        }
    }

    /// An HTTP/2 connection with room for another stream.
    pub(super) fn shared(&self) -> Option<Rc<Http2Connection>> {
        let connections = self.http2.borrow();
        connections.iter().find(|each| each.has_room()).cloned()
    }

    pub(super) fn add_shared(&self, connection: Rc<Http2Connection>) {
        if !self.closed.get() {
            self.http2.borrow_mut().push(connection);
        }
    }

    /// Requests that a new connection can carry at a time.
    pub(super) fn places(&self, speak: Speak) -> usize {
        match speak {
            Speak::Http2(settings) | Speak::Alpn(settings) if !self.unshared.get() => {
                let most = settings.max_concurrent_streams as usize;
                most.min(self.learnt.get().unwrap_or(ASSUMED_STREAMS))
                    .max(1)
            }
            _ => 1,
        }
    }

    /// What it carries, and could carry.
    pub(super) fn load(&self, speak: Speak) -> Load {
        let http2 = self.http2.borrow();
        let waiting = self.waiting.get() as usize;
        let streams: usize = http2.iter().map(|each| each.active()).sum();
        let rooms: usize = http2.iter().map(|each| each.room()).sum();
        let places = self.places(speak);
        let mut being_made = self.ahead.get() as usize + usize::from(self.connecting.get());
        let taken = if places > 1 {
            // They share what is being made; if nothing is, the first of them is about to begin.
            being_made = being_made.max(usize::from(waiting > 0));
            waiting
        } else {
            // All others make their own.
            self.expected.get() as usize
        };
        let spare = self.idle.borrow().len() + rooms + being_made * places;
        Load {
            requests: self.open.get() as usize + streams + waiting,
            spare: spare.saturating_sub(taken),
        }
    }

    fn sweep(&self, now: Instant) {
        let limits = &self.cluster.connections;
        let stats = &self.cluster.stats;
        self.idle.borrow_mut().retain_mut(|connection| {
            let keep = connection.is_good(now, limits);
            if !keep {
                stats.upstream_cx_idle_timeout().inc();
            }
            keep
        });
        self.http2.borrow_mut().retain(|connection| {
            let keep = connection.is_good(now);
            if !keep && connection.had_its_requests() {
                stats.upstream_cx_max_requests().inc();
            } else if !keep && !connection.is_closed() {
                stats.upstream_cx_idle_timeout().inc();
            }
            keep
        });
    }

    /// Whether no connection is open that could become free.
    pub(super) fn is_without_connection(&self) -> bool {
        self.open.get() == 0 && self.http2.borrow().iter().all(|each| each.is_closed())
    }

    fn is_empty(&self) -> bool {
        self.open.get() == 0
            && !self.connecting.get()
            && self.ahead.get() == 0
            && self.idle.borrow().is_empty()
            && self.http2.borrow().is_empty()
    }

    fn close(&self) {
        self.closed.set(true);
        self.idle.borrow_mut().clear();
        self.http2.borrow_mut().clear();
        self.changed.notify_waiters();
    }
}
