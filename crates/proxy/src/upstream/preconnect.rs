//! Connections that are made before a request needs them, as a cluster's `preconnect_policy` asks for.
//!
//! Envoy's arithmetic: with a ratio of 1.5, two requests in flight want places for three. Places are
//! the requests in flight themselves, kept connections (over HTTP/2 the streams that they still
//! admit), and connections that are being made. The ratio per endpoint is kept for each pool; the
//! predictive one for all pools of a cluster in a worker, by endpoints that the load balancing has
//! chosen for requests to come, which then get them.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use tracing::debug;

use super::acquire::{Acquired, Wanted, connect_new, key};
use super::pool::Pool;
use crate::cluster::{Availability, Endpoint, EndpointSet, PickContext, Resource};
use crate::compiled::Cluster;
use crate::worker::Worker;

/// Connections that one request has made ahead at most; the ratio per endpoint is three at most.
const AT_ONCE: usize = 3;

/// What one pool carries, or all pools of a cluster.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Requests that are on a connection or wait for one.
    pub(super) requests: usize,
    /// Requests that could follow them without waiting, once what is being made is there.
    pub(super) spare: usize,
}

impl Load {
    /// Whether there are fewer places than the ratio asks for; some do not count.
    fn lacks(self, ratio: f64, uncounted: usize) -> bool {
        let places = (self.requests + self.spare).saturating_sub(uncounted);
        self.requests as f64 * ratio > places as f64
    }

    /// With a request to come, which has no place yet.
    fn expecting(self) -> Self {
        Self {
            requests: self.requests + 1,
            spare: self.spare.saturating_sub(1),
        }
    }
}

/// Endpoints that were chosen for the next requests of a worker to each cluster.
#[derive(Debug, Default)]
pub(super) struct Predictions(RefCell<HashMap<usize, Prediction>>);

#[derive(Debug)]
struct Prediction {
    /// The choice is of these; with others in force it says nothing.
    set: Arc<EndpointSet>,
    next: VecDeque<Arc<Endpoint>>,
}

impl Predictions {
    /// The endpoint that was chosen for the next request.
    fn take(&self, cluster: &Arc<Cluster>) -> Option<Arc<Endpoint>> {
        let mut all = self.0.borrow_mut();
        let prediction = all.get_mut(&place(cluster))?;
        if Arc::ptr_eq(&prediction.set, &cluster.endpoints.current()) {
            return prediction.next.pop_front();
        }
        all.remove(&place(cluster));
        None
    }

    /// Chooses for a request to come, unless each endpoint has one already.
    fn extend(&self, worker: &Worker, cluster: &Arc<Cluster>) -> Option<Arc<Endpoint>> {
        let set = cluster.endpoints.current();
        let mut all = self.0.borrow_mut();
        let prediction = all.entry(place(cluster)).or_insert_with(|| Prediction {
            set: Arc::clone(&set),
            next: VecDeque::new(),
        });
        if !Arc::ptr_eq(&prediction.set, &set) {
            prediction.set = Arc::clone(&set);
            prediction.next.clear();
        }
        if prediction.next.len() >= set.endpoints().count() {
            return None;
        }
        let chosen = worker.with_random(|random| cluster.pick(&mut PickContext::new(random)))?;
        prediction.next.push_back(Arc::clone(&chosen));
        Some(chosen)
    }

    /// Forgets clusters that are gone.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

fn place(cluster: &Arc<Cluster>) -> usize {
    Arc::as_ptr(cluster) as usize
}

/// The endpoint that was predicted for the next request, where the cluster predicts: not where
/// requests differ in what they may go to.
pub(crate) fn predicted(worker: &Worker, cluster: &Arc<Cluster>) -> Option<Arc<Endpoint>> {
    if !predicts(cluster) {
        return None;
    }
    worker.pools.predictions.take(cluster)
}

fn predicts(cluster: &Cluster) -> bool {
    let ratio = cluster.preconnect.map_or(1.0, |policy| policy.predictive);
    ratio > 1.0 && cluster.subsets.is_none() && !cluster.lb.is_hashing()
}

/// Makes connections ahead, now that a request has taken a place of `pool`, or with `makes_own` is
/// about to make its own.
pub(super) fn connect_ahead(
    worker: &Rc<Worker>,
    pool: &Rc<Pool>,
    wanted: &Wanted<'_>,
    makes_own: bool,
) {
    let Some(policy) = pool.cluster.preconnect else {
        return;
    };
    for _ in 0..AT_ONCE {
        if !pool.load(wanted.speak).lacks(policy.per_endpoint, 0) || !begin(pool, wanted) {
            break;
        }
    }
    if predicts(&pool.cluster) {
        // As in Envoy, the predictive ratio counts places from before the request.
        let own = if makes_own {
            pool.places(wanted.speak)
        } else {
            0
        };
        predict(worker, &pool.cluster, wanted, (policy.predictive, own));
    }
}

/// Makes connections to the endpoints of requests to come; `own` places do not count.
fn predict(
    worker: &Rc<Worker>,
    cluster: &Arc<Cluster>,
    wanted: &Wanted<'_>,
    (ratio, own): (f64, usize),
) {
    for _ in 0..AT_ONCE {
        let load = worker.pools.load(cluster, wanted.speak);
        if !load.lacks(ratio, own) {
            return;
        }
        let Some(endpoint) = worker.pools.predictions.extend(worker, cluster) else {
            return;
        };
        let key = key(cluster, &endpoint, wanted);
        let pool = worker.pools.pool(key, cluster, &endpoint);
        let load = pool.load(wanted.speak).expecting();
        if !load.lacks(ratio, 0) || !begin(&pool, wanted) {
            return;
        }
    }
}

/// Begins to make a connection; false where none may be made.
fn begin(pool: &Rc<Pool>, wanted: &Wanted<'_>) -> bool {
    let heeds = pool.cluster.endpoints.current().settings.heeds;
    if pool.endpoint.availability(heeds) != Availability::Healthy {
        return false;
    }
    let Some(slot) = wanted.limits.take(Resource::Connections) else {
        return false;
    };
    let ahead = Ahead::new(pool);
    let (speak, options) = (wanted.speak, wanted.options.clone());
    let (variant, limits) = (wanted.variant, Arc::clone(wanted.limits));
    tokio::task::spawn_local(async move {
        let wanted = Wanted {
            speak,
            options,
            variant,
            doubts: false,
            limits: &limits,
        };
        match connect_new(&ahead.0, &wanted, Some(slot)).await {
            Ok(Acquired::Http1(connection)) => connection.put_by(),
            // The pool has it.
            Ok(Acquired::Http2(_)) => {}
            Err(reason) => debug!(%reason, "a connection could not be made ahead of requests"),
        }
    });
    true
}

/// One of the connections that are being made ahead, for a request that needs one now.
pub(super) struct Expected<'a>(&'a Pool);

impl<'a> Expected<'a> {
    /// `None` when there is none that nobody else waits for.
    pub(super) fn new(pool: &'a Pool) -> Option<Self> {
        let before = pool.expected.get();
        (before < pool.ahead.get()).then(|| {
            pool.expected.set(before + 1);
            Self(pool)
        })
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.0.expected.set(self.0.expected.get() - 1);
    }
}

/// Counts a connection that is being made ahead, and tells who waits when it is there.
struct Ahead(Rc<Pool>);

impl Ahead {
    fn new(pool: &Rc<Pool>) -> Self {
        pool.ahead.set(pool.ahead.get() + 1);
        Self(Rc::clone(pool))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.ahead.set(self.0.ahead.get() - 1);
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_the_requests() {
        let load = |requests, spare| Load { requests, spare };
        assert!(!load(0, 0).lacks(3.0, 0));
        assert!(!load(5, 0).lacks(1.0, 0));
        assert!(load(1, 0).lacks(1.5, 0));
        assert!(!load(1, 1).lacks(1.5, 0));
        assert!(load(4, 1).lacks(1.5, 0));
        assert!(!load(4, 2).lacks(1.5, 0));
        assert!(load(4, 2).lacks(1.5, 1));
    }

    #[test]
    fn a_request_to_come_needs_a_place_of_its_own() {
        let load = |requests, spare| Load { requests, spare }.expecting();
        assert!(load(0, 0).lacks(1.5, 0));
        assert!(load(0, 1).lacks(1.5, 0));
        assert!(!load(0, 2).lacks(1.5, 0));
        assert!(!load(2, 3).lacks(1.5, 0));
    }
}
