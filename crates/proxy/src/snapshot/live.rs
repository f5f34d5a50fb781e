//! The state that the control plane's updates change.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::{any, type_url};
use ferromesh_route::RouteTable;
use ferromesh_runtime::{Published, Publisher};
use ferromesh_types::Str;
use ferromesh_xds::client::{NamedResource, TypeUpdate};
use tracing::{info, warn};

use super::file_secrets::FileSecrets;
use super::slot::{Received, Rejected, Slot, Versioned};
use super::subscriptions::Subscriptions;
use crate::compiled::{Cluster, Config, Listener};
use crate::xds::{Compiled, Compiler, Refusal, cds, lds, rds, sds};

/// Everything that was accepted, and the publisher of what is ready of it.
#[derive(Debug)]
pub struct Live {
    pub(super) compiler: Compiler,
    pub(super) clusters: BTreeMap<Str, Slot<Cluster>>,
    /// Clusters that the control plane removed while something still names them.
    pub(super) retiring: BTreeMap<Str, (Arc<Cluster>, Instant)>,
    pub(super) listeners: BTreeMap<Str, Slot<Listener>>,
    pub(super) routes: BTreeMap<Str, Slot<RouteTable>>,
    pub(super) assignments: HashMap<Str, Received>,
    /// Secrets that came over the aggregated stream.
    pub(super) secrets: BTreeMap<Str, Received>,
    pub(super) file_secrets: FileSecrets,
    pub(super) subscriptions: Subscriptions,
    pub(super) publisher: Publisher<Config>,
    /// Versions of the last update by type, for the config dump.
    pub(super) versions: HashMap<String, Str>,
    /// Types of which at least one update has come; what was good in it is in force.
    pub(super) seen: HashSet<String>,
}

/// What became of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why resources were refused, one sentence each; empty means ACK.
    pub refusals: Vec<String>,
}

impl Verdict {
    /// The detail of a NACK; `None` for an ACK.
    pub fn nack(&self) -> Option<String> {
        (!self.refusals.is_empty()).then(|| self.refusals.join("; "))
    }
}

impl Live {
    /// Nothing yet.
    pub fn new(compiler: Compiler) -> Self {
        Self {
            compiler,
            clusters: BTreeMap::new(),
            retiring: BTreeMap::new(),
            listeners: BTreeMap::new(),
            routes: BTreeMap::new(),
            assignments: HashMap::new(),
            secrets: BTreeMap::new(),
            file_secrets: FileSecrets::default(),
            subscriptions: Subscriptions::default(),
            publisher: Publisher::new(Config::default()),
            versions: HashMap::new(),
            seen: HashSet::new(),
        }
    }

    /// The published config.
    pub fn published(&self) -> Published<Config> {
        self.publisher.reader()
    }

    /// The clusters with all their versions.
    pub fn clusters(&self) -> &BTreeMap<Str, Slot<Cluster>> {
        &self.clusters
    }

    /// The listeners with all their versions.
    pub fn listeners(&self) -> &BTreeMap<Str, Slot<Listener>> {
        &self.listeners
    }

    /// The route tables with all their versions.
    pub fn routes(&self) -> &BTreeMap<Str, Slot<RouteTable>> {
        &self.routes
    }

    /// The endpoint assignments as received, by name.
    pub fn assignments(&self) -> &HashMap<Str, Received> {
        &self.assignments
    }

    /// The secrets that came over the aggregated stream.
    pub fn ads_secrets(&self) -> &BTreeMap<Str, Received> {
        &self.secrets
    }

    /// The version of the last update of a type; empty before the first.
    pub fn version(&self, type_url: &str) -> Str {
        self.versions.get(type_url).cloned().unwrap_or_default()
    }

    /// Whether an update of that type has come.
    pub fn has_seen(&self, type_url: &str) -> bool {
        self.seen.contains(type_url)
    }

    /// Compiles an update and publishes what is ready. Types that the proxy does not use are
    /// accepted as they are (the agent reads them).
    pub fn apply(&mut self, update: &TypeUpdate, now: Instant) -> Verdict {
        let mut verdict = Verdict::default();
        for resource in &update.resources {
            if let Err((what, refusal)) = self.accept(&update.type_url, resource, now) {
                let sentence = format!("{what} {}: {refusal}", resource.name);
                warn!(version = %update.version, "refused {sentence}");
                verdict.refusals.push(sentence);
            }
        }
        if update.full {
            self.remove_absent(update, now);
        }
        for name in &update.removed {
            self.remove(&update.type_url, name, now);
        }
        self.versions
            .insert(update.type_url.clone(), Str::from(&update.version));
        self.seen.insert(update.type_url.clone());
        if names_others(&update.type_url) {
            self.follow_secret_files();
        }
        // Endpoints alone, the most frequent change, leave everything else as it is.
        if update.type_url != type_url::ENDPOINT || self.is_waiting() {
            self.settle(now);
        }
        verdict
    }

    fn accept(
        &mut self,
        kind: &str,
        resource: &NamedResource,
        now: Instant,
    ) -> Result<(), (&'static str, Refusal)> {
        let name = Str::from(&resource.name);
        let received = Received {
            version: Str::from(&resource.version),
            body: resource.body.clone(),
            at: Some(SystemTime::now()),
        };
        match kind {
            type_url::CLUSTER => self
                .cluster(name, received, now)
                .map_err(|e| ("cluster", e)),
            type_url::LISTENER => self
                .listener(name, received, now)
                .map_err(|e| ("listener", e)),
            type_url::ROUTE => self.route(name, received, now).map_err(|e| ("route", e)),
            type_url::ENDPOINT => self
                .assignment(name, received)
                .map_err(|e| ("endpoints", e)),
            type_url::SECRET => self.secret(name, received).map_err(|e| ("secret", e)),
            _ => Ok(()),
        }
    }

    fn cluster(&mut self, name: Str, received: Received, now: Instant) -> Result<(), Refusal> {
        let slot = self.clusters.entry(name.clone()).or_default();
        if slot.is_repeated(&received) {
            return Ok(());
        }
        let compiler = &self.compiler;
        let compiled = decode(&received.body).and_then(|message| cds::compile(message, compiler));
        store(&name, slot, received, compiled, now)?;
        // A removed cluster that is back stays on its way out until the new one is warm.
        self.fill_from_assignment(&name);
        Ok(())
    }

    fn listener(&mut self, name: Str, received: Received, now: Instant) -> Result<(), Refusal> {
        let slot = self.listeners.entry(name.clone()).or_default();
        if slot.is_repeated(&received) {
            return Ok(());
        }
        let compiler = &self.compiler;
        let compiled = decode(&received.body).and_then(|message| lds::compile(message, compiler));
        store(&name, slot, received, compiled, now)
    }

    fn route(&mut self, name: Str, received: Received, now: Instant) -> Result<(), Refusal> {
        let slot = self.routes.entry(name.clone()).or_default();
        if slot.is_repeated(&received) {
            return Ok(());
        }
        let version = received.version.clone();
        let compiled = decode(&received.body)
            .and_then(|message| rds::compile(message, &version))
            .map(|value| Compiled {
                value,
                ads_secrets: Vec::new(),
                notices: Vec::new(),
            });
        store(&name, slot, received, compiled, now)
    }

    fn secret(&mut self, name: Str, received: Received) -> Result<(), Refusal> {
        let secret = sds::compile(decode(&received.body)?)?;
        self.compiler.secrets.set(&name, secret);
        self.secrets.insert(name, received);
        Ok(())
    }

    /// Adds a cluster of the bootstrap.
    pub(crate) fn add_static_cluster(&mut self, cluster: Compiled<Cluster>, body: Any) {
        let name = cluster.value.name.clone();
        let slot = self.clusters.entry(name.clone()).or_default();
        slot.is_static = true;
        slot.warming = Some(versioned(
            &name,
            cluster,
            received_now(body),
            Instant::now(),
        ));
    }

    /// Adds a listener of the bootstrap.
    pub(crate) fn add_static_listener(&mut self, listener: Compiled<Listener>, body: Any) {
        let name = listener.value.name.clone();
        let slot = self.listeners.entry(name.clone()).or_default();
        slot.is_static = true;
        slot.warming = Some(versioned(
            &name,
            listener,
            received_now(body),
            Instant::now(),
        ));
    }

    fn remove_absent(&mut self, update: &TypeUpdate, now: Instant) {
        let present: HashSet<&str> = update
            .resources
            .iter()
            .map(|each| each.name.as_str())
            .collect();
        let absent: Vec<String> = self
            .dynamic_names(&update.type_url)
            .filter(|name| !present.contains(name.as_str()))
            .map(|name| name.as_str().to_owned())
            .collect();
        for name in absent {
            self.remove(&update.type_url, &name, now);
        }
    }

    fn dynamic_names(&self, kind: &str) -> Box<dyn Iterator<Item = &Str> + '_> {
        match kind {
            type_url::CLUSTER => Box::new(dynamic(&self.clusters)),
            type_url::LISTENER => Box::new(dynamic(&self.listeners)),
            // Named types are never removed by not being listed: a response may carry a part.
            _ => Box::new(std::iter::empty()),
        }
    }

    fn remove(&mut self, kind: &str, name: &str, now: Instant) {
        match kind {
            type_url::CLUSTER => {
                let removed = self.clusters.remove(name);
                if let Some(active) = removed.and_then(|slot| slot.active) {
                    self.retiring.insert(Str::from(name), (active.value, now));
                }
            }
            type_url::LISTENER => {
                self.listeners.remove(name);
            }
            type_url::ROUTE => {
                self.routes.remove(name);
            }
            type_url::SECRET => {
                self.secrets.remove(name);
                self.compiler.secrets.remove(name);
            }
            // Endpoints go with their cluster; their last assignment stays until then.
            _ => {}
        }
        info!(kind = type_url::message_name(kind), name, "removed");
    }
}

/// Whether resources of that type name resources of other types.
pub(crate) fn names_others(kind: &str) -> bool {
    kind == type_url::CLUSTER || kind == type_url::LISTENER
}

fn dynamic<T>(slots: &BTreeMap<Str, Slot<T>>) -> impl Iterator<Item = &Str> {
    slots
        .iter()
        .filter(|(_, slot)| !slot.is_static)
        .map(|(name, _)| name)
}

fn received_now(body: Any) -> Received {
    Received {
        version: Str::default(),
        body,
        at: Some(SystemTime::now()),
    }
}

pub(super) fn decode<M>(body: &Any) -> Result<M, Refusal>
where
    M: prost::Message + prost::Name + Default,
{
    any::unpack(body).map_err(Refusal::from)
}

fn versioned<T>(
    name: &str,
    compiled: Compiled<T>,
    received: Received,
    now: Instant,
) -> Versioned<T> {
    for notice in &compiled.notices {
        warn!(resource = name, "{notice}");
    }
    Versioned {
        value: Arc::new(compiled.value),
        received,
        ads_secrets: compiled.ads_secrets,
        since: now,
    }
}

/// Notes a new version as warming, or why it was refused.
fn store<T>(
    name: &str,
    slot: &mut Slot<T>,
    received: Received,
    compiled: Result<Compiled<T>, Refusal>,
    now: Instant,
) -> Result<(), Refusal> {
    match compiled {
        Ok(compiled) => {
            slot.rejected = None;
            slot.warming = Some(versioned(name, compiled, received, now));
            Ok(())
        }
        Err(refusal) => {
            slot.rejected = Some(Rejected {
                received,
                reason: refusal.to_string(),
            });
            Err(refusal)
        }
    }
}
