//! What is ready, and the publication of it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferromesh_route::{Action, RouteTable};
use ferromesh_types::Str;
use tracing::debug;

use super::live::Live;
use super::slot::Slot;
use crate::compiled::{Cluster, Config, Listener, Listeners, TerminalFilter};

/// How long routes and listeners wait for clusters that they name and that are still warming, and
/// how long a removed cluster stays for those that still name it. Longer than any control plane
/// needs between two types of one push, short enough not to hide a mistake.
const CLUSTER_WAIT: Duration = Duration::from_secs(10);

impl Live {
    /// Puts in force what is ready, and publishes when anything changed. To be called after every
    /// update and whenever a secret, a DNS answer or time may have made something ready.
    pub fn settle(&mut self, now: Instant) {
        let clusters = self.settle_clusters();
        let cold = self.cold_clusters();
        let routes = self.settle_routes(&cold, now);
        let listeners = self.settle_listeners(&cold, now);
        let retired = self.retire(now);
        if clusters || routes || listeners || retired || self.has_removals() {
            self.publish();
        }
    }

    /// Whether something waits, so that time alone can change the state.
    pub fn is_waiting(&self) -> bool {
        !self.retiring.is_empty()
            || self.clusters.values().any(|slot| slot.warming.is_some())
            || self.routes.values().any(|slot| slot.warming.is_some())
            || self.listeners.values().any(|slot| slot.warming.is_some())
    }

    /// Whether something that was accepted has never been in force.
    pub fn is_warming_first(&self) -> bool {
        fn first<T>(slot: &Slot<T>) -> bool {
            slot.active.is_none() && slot.warming.is_some()
        }
        self.clusters.values().any(first)
            || self.routes.values().any(first)
            || self.listeners.values().any(first)
    }

    /// Every cluster object that something may use now or soon.
    pub fn cluster_objects(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        let slots = self.clusters.values().flat_map(Slot::versions);
        let retiring = self.retiring.values().map(|(cluster, _)| cluster);
        slots.map(|version| &version.value).chain(retiring)
    }

    /// Reads secrets that are files, where accepted config names such.
    pub(crate) fn follow_secret_files(&mut self) {
        let clusters = self.clusters.values().flat_map(Slot::versions);
        let listeners = self.listeners.values().flat_map(Slot::versions);
        let of_clusters = clusters.flat_map(|version| version.value.secrets());
        let of_listeners = listeners.flat_map(|version| version.value.secrets.clone());
        let names: BTreeSet<Str> = of_clusters.chain(of_listeners).collect();
        self.file_secrets.follow(names.iter());
        self.refresh_secret_files();
    }

    /// Reads again what has changed of the secrets that are files.
    pub fn refresh_secret_files(&mut self) {
        self.file_secrets.refresh(&self.compiler.secrets);
    }

    fn settle_clusters(&mut self) -> bool {
        let secrets = &self.compiler.secrets;
        let is_warm = |cluster: &Cluster| {
            !cluster.awaits_endpoints()
                && !cluster.awaits_checks()
                && cluster
                    .secrets()
                    .iter()
                    .all(|name| secrets.find(name).is_some())
        };
        let mut changed = false;
        for (name, slot) in &mut self.clusters {
            let warming = slot.warming.as_ref();
            if warming.is_some_and(|warming| is_warm(&warming.value)) {
                changed |= slot.promote();
                self.retiring.remove(name);
            }
        }
        changed
    }

    /// Clusters that have been accepted but were never in force.
    fn cold_clusters(&self) -> HashSet<Str> {
        self.clusters
            .iter()
            .filter(|(_, slot)| slot.active.is_none() && slot.warming.is_some())
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn settle_routes(&mut self, cold: &HashSet<Str>, now: Instant) -> bool {
        let mut changed = false;
        for slot in self.routes.values_mut() {
            let ready = slot.warming.as_ref().is_some_and(|warming| {
                now.saturating_duration_since(warming.since) >= CLUSTER_WAIT
                    || !warming
                        .value
                        .cluster_names()
                        .any(|name| cold.contains(name))
            });
            if ready {
                changed |= slot.promote();
            }
        }
        changed
    }

    fn settle_listeners(&mut self, cold: &HashSet<Str>, now: Instant) -> bool {
        let secrets = &self.compiler.secrets;
        let routes = &self.routes;
        let mut changed = false;
        for slot in self.listeners.values_mut() {
            let ready = slot.warming.as_ref().is_some_and(|warming| {
                let listener = &warming.value;
                let has_routes = |name: &Str| routes.get(name).is_some_and(|r| r.active.is_some());
                let late = now.saturating_duration_since(warming.since) >= CLUSTER_WAIT;
                listener
                    .secrets
                    .iter()
                    .all(|name| secrets.find(name).is_some())
                    && listener.route_names.iter().all(has_routes)
                    && (late || !own_clusters(listener).any(|name| cold.contains(name)))
            });
            if ready {
                changed |= slot.promote();
            }
        }
        changed
    }

    /// Lets go of removed clusters that nothing in force names any more, or that had their time.
    fn retire(&mut self, now: Instant) -> bool {
        if self.retiring.is_empty() {
            return false;
        }
        let routes = self.routes.values().filter_map(|slot| slot.active.as_ref());
        let listeners = self
            .listeners
            .values()
            .filter_map(|slot| slot.active.as_ref());
        let mut named: HashSet<&Str> = HashSet::new();
        for table in routes {
            named.extend(table.value.cluster_names());
        }
        for listener in listeners {
            named.extend(own_clusters(&listener.value));
        }
        let before = self.retiring.len();
        self.retiring.retain(|name, (_, since)| {
            named.contains(name) && now.saturating_duration_since(*since) < CLUSTER_WAIT
        });
        self.retiring.len() != before
    }

    /// Whether the published config holds something that is no longer here.
    fn has_removals(&self) -> bool {
        let published = self.publisher.current();
        let active = self.listeners.values().filter(|slot| slot.active.is_some());
        let gone = |name: &Str| {
            let slot = self.clusters.get(name);
            slot.is_none_or(|slot| slot.active.is_none()) && !self.retiring.contains_key(name)
        };
        published.listeners.len() != active.count()
            || published.clusters.keys().any(gone)
            || published
                .routes
                .keys()
                .any(|name| !self.routes.contains_key(name))
    }

    fn publish(&mut self) {
        let active = self.clusters.iter().filter_map(|(name, slot)| {
            let active = slot.active.as_ref()?;
            Some((name.clone(), Arc::clone(&active.value)))
        });
        let retiring = self
            .retiring
            .iter()
            .map(|(name, (cluster, _))| (name.clone(), Arc::clone(cluster)));
        let routes = self.routes.iter().filter_map(|(name, slot)| {
            let active = slot.active.as_ref()?;
            Some((name.clone(), Arc::clone(&active.value)))
        });
        let listeners = self
            .listeners
            .values()
            .filter_map(|slot| slot.active.as_ref())
            .map(|active| Arc::clone(&active.value));
        let config = Config {
            generation: self.publisher.current().generation.next(),
            listeners: Listeners::new(listeners),
            // A cluster that is back wins over the one that was on its way out.
            clusters: retiring.chain(active).collect(),
            routes: routes.collect(),
        };
        debug!(
            generation = config.generation.0,
            listeners = config.listeners.len(),
            clusters = config.clusters.len(),
            routes = config.routes.len(),
            "publishing config"
        );
        self.publisher.publish(Arc::new(config));
    }
}

/// Clusters that the listener itself names, rather than its route tables.
fn own_clusters(listener: &Listener) -> impl Iterator<Item = &Str> {
    tcp_clusters(listener).chain(inline_clusters(listener))
}

fn tcp_clusters(listener: &Listener) -> impl Iterator<Item = &Str> {
    listener
        .chains
        .iter()
        .flat_map(|chain| match &chain.terminal {
            TerminalFilter::TcpProxy(proxy) => proxy.cluster.names(),
            TerminalFilter::Http(_) | TerminalFilter::DirectResponse(_) => Vec::new(),
        })
}

fn inline_clusters(listener: &Listener) -> impl Iterator<Item = &Str> {
    use crate::compiled::RouteSource;
    let tables = listener
        .chains
        .iter()
        .filter_map(|chain| match &chain.terminal {
            TerminalFilter::Http(manager) => match &manager.routes {
                RouteSource::Inline(table) => Some(table.as_ref()),
                RouteSource::Named(_) => None,
            },
            _ => None,
        });
    tables.flat_map(table_clusters)
}

fn table_clusters(table: &RouteTable) -> impl Iterator<Item = &Str> {
    let routes = table.virtual_hosts().iter().flat_map(|host| &host.routes);
    routes.flat_map(|route| match &route.action {
        Action::Forward(forward) => forward.cluster_names(),
        Action::Redirect(_) | Action::Respond(_) => Vec::new(),
    })
}
