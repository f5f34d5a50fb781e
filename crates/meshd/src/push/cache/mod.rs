//! Generated resources, shared by all proxies whose views are equal.
//!
//! The unit is a *part*: one generator and the view that it is a function of. Two proxies with equal
//! views share the part's bytes; a resource that several parts generate alike is one object in
//! memory. A change marks the parts that it can concern; a marked part is made again when somebody
//! asks for it, and only for the hosts that changed where the generator allows it.
//!
//! Who asks always gets the newest snapshot's content, which may be newer than the change that made
//! it ask; what is sent is the difference to what was sent before, so this loses nothing.

mod entry;
mod intern;
mod part;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ferromesh_model::{Affected, Proxy, ProxyView, Snapshot};
use ferromesh_proto::type_url;
use ferromesh_runtime::Publisher;
use ferromesh_types::Str;
use ferromesh_xds::{NameSet, ResourceSet};
use tokio::time::{Duration, Instant};

use entry::Entry;
use intern::ResourceInterner;
use part::Part;

/// A part that nobody asked for during this time is forgotten. It is made again when needed.
const IDLE: Duration = Duration::from_mins(30);

/// A snapshot with the version that responses made from it bear.
#[derive(Debug)]
pub(crate) struct Current {
    /// The snapshot.
    pub(crate) snapshot: Arc<Snapshot>,
    /// `time/generation`, as Istio writes it.
    pub(crate) version: Str,
}

/// The cache. One writer calls [`Cache::advance`]; any number of readers.
#[derive(Debug)]
pub(crate) struct Cache {
    current: Publisher<Current>,
    entries: Mutex<HashMap<Part, Arc<Mutex<Entry>>>>,
    joined: Mutex<HashMap<(Part, Part), Joined>>,
    interner: ResourceInterner,
}

/// Two sets and what they are together.
#[derive(Debug)]
struct Joined {
    first: Arc<ResourceSet>,
    second: Arc<ResourceSet>,
    both: Arc<ResourceSet>,
    used: Instant,
}

impl Cache {
    /// Starts with an empty mesh.
    pub(crate) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            current: Publisher::new(Current {
                snapshot,
                version: Str::default(),
            }),
            entries: Mutex::default(),
            joined: Mutex::default(),
            interner: ResourceInterner::default(),
        }
    }

    /// The newest snapshot.
    pub(crate) fn current(&self) -> Arc<Current> {
        self.current.current()
    }

    /// Takes over a new snapshot. Returns once every part that it can concern is marked: a push
    /// that begins after that sees the change.
    pub(crate) fn advance(&self, snapshot: Arc<Snapshot>, version: Str, affected: &Affected) {
        // First the snapshot, then the marks: a part that is made in between is made from the new
        // snapshot and then once more, never from the old one after its mark.
        self.current
            .publish(Arc::new(Current { snapshot, version }));
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|part, entry| {
            let touched = part.touched_by(affected);
            let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
            entry.mark(touched);
            now.duration_since(entry.used) < IDLE
        });
        drop(entries);
        self.joined
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, joined| now.duration_since(joined.used) < IDLE);
    }

    /// The resources of a type that a proxy with this view gets. `names` are those it asked for,
    /// where the type is asked for by name.
    pub(crate) fn resources(
        &self,
        type_url: &str,
        proxy: &Proxy,
        view: &ProxyView,
        names: &Arc<NameSet>,
    ) -> Arc<ResourceSet> {
        match type_url {
            type_url::CLUSTER => {
                let outbound = Part::Clusters(Arc::clone(&view.outbound));
                let inbound = view.inbound.as_ref().map(Arc::clone);
                self.join(outbound, inbound.map(Part::InboundClusters))
            }
            type_url::LISTENER => match (&view.gateway, &view.listener) {
                (Some(gateway), _) => self.whole(&Part::GatewayListeners(Arc::clone(gateway))),
                (None, Some(listener)) => {
                    let outbound = Part::Listeners(Arc::clone(listener));
                    let inbound = view.inbound.as_ref().map(Arc::clone);
                    self.join(outbound, inbound.map(Part::InboundListeners))
                }
                (None, None) => Arc::default(),
            },
            type_url::NAME_TABLE => self.whole(&Part::Names(Arc::clone(&view.outbound))),
            type_url::ENDPOINT => self.named(&Part::Endpoints(Arc::clone(&view.outbound)), names),
            type_url::ROUTE => match (&view.gateway, &view.route) {
                (Some(gateway), _) => self.named(&Part::GatewayRoutes(Arc::clone(gateway)), names),
                (None, Some(route)) => self.named(&Part::Routes(Arc::clone(route)), names),
                (None, None) => Arc::default(),
            },
            type_url::SECRET => self.named(&Part::Secrets(proxy.namespace.clone()), names),
            // Extension configs, proxy configs and types unknown here: there are none.
            _ => Arc::default(),
        }
    }

    fn whole(&self, part: &Part) -> Arc<ResourceSet> {
        let entry = self.entry(part);
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        entry.whole(part, &self.current.current().snapshot, &self.interner)
    }

    fn named(&self, part: &Part, names: &Arc<NameSet>) -> Arc<ResourceSet> {
        let entry = self.entry(part);
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        entry.named(
            part,
            names,
            &self.current.current().snapshot,
            &self.interner,
        )
    }

    fn entry(&self, part: &Part) -> Arc<Mutex<Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(part) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Mutex::new(Entry::new()));
        entries.insert(part.clone(), Arc::clone(&entry));
        entry
    }

    /// Two parts as one set; proxies that share both share the set.
    fn join(&self, first: Part, second: Option<Part>) -> Arc<ResourceSet> {
        let one = self.whole(&first);
        let Some(second) = second else {
            return one;
        };
        let other = self.whole(&second);
        let key = (first, second);
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = joined.get_mut(&key)
            && Arc::ptr_eq(&known.first, &one)
            && Arc::ptr_eq(&known.second, &other)
        {
            known.used = Instant::now();
            return Arc::clone(&known.both);
        }
        let both: Arc<ResourceSet> = Arc::new(one.iter().chain(other.iter()).cloned().collect());
        let value = Joined {
            first: one,
            second: other,
            both: Arc::clone(&both),
            used: Instant::now(),
        };
        joined.insert(key, value);
        both
    }

    /// How many parts and resources are held.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let parts = self
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        (parts, self.interner.len())
    }
}

#[cfg(test)]
mod tests;
