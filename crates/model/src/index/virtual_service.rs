//! VirtualServices by gateway, with their names expanded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ferromesh_config::kind::virtual_service::VirtualService;
use ferromesh_registry::Visibility;
use ferromesh_types::{Hostname, Namespace, ResourceKey, Selector, Str};

use super::delegate;
use crate::declared::Declared;

/// The reserved gateway name that stands for the sidecars.
const MESH: &str = "mesh";

/// What a VirtualService is bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GatewayRef {
    /// The sidecars.
    Mesh,
    /// The Gateway object of this namespace and name.
    Named(Namespace, Str),
}

impl GatewayRef {
    /// Reads an entry of `gateways` in an object of `home`: `mesh`, `name` or `namespace/name`.
    pub fn parse(text: &str, home: &Namespace) -> Self {
        if text == MESH {
            return Self::Mesh;
        }
        match text.split_once('/') {
            Some((".", name)) => Self::Named(home.clone(), name.into()),
            Some((namespace, name)) => Self::Named(namespace.into(), name.into()),
            None => Self::Named(home.clone(), text.into()),
        }
    }
}

/// A VirtualService with what the lookups need.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualServiceEntry {
    /// The object, with the routes of its delegates in place.
    pub declared: Declared<VirtualService>,
    /// Its hosts as full names.
    pub hosts: Vec<Hostname>,
    /// What it is bound to, by its list and by those of its matches.
    pub gateways: BTreeSet<GatewayRef>,
    /// Who may see it.
    pub visibility: Visibility,
    /// The labels of clients that its matches read.
    pub source_labels: BTreeSet<Str>,
    /// Whether a match reads the client's namespace.
    pub reads_source_namespace: bool,
    /// Whether it has TLS or TCP routes: listeners depend on it.
    pub has_layer4: bool,
    /// The host names that its routes lead to, as full names.
    pub destinations: BTreeSet<Hostname>,
    /// The objects that supply some of its routes.
    pub delegates: BTreeSet<ResourceKey>,
}

impl VirtualServiceEntry {
    pub(crate) fn new(
        declared: Declared<VirtualService>,
        domain: &str,
        fallback: &Visibility,
    ) -> Self {
        let home = declared.namespace().clone();
        let spec = declared.spec.clone();
        let facts = MatchFacts::of(&spec);
        let gateways = if spec.gateways.is_empty() {
            BTreeSet::from([GatewayRef::Mesh])
        } else {
            spec.gateways
                .iter()
                .map(|gateway| GatewayRef::parse(gateway, &home))
                .collect()
        };
        Self {
            hosts: spec
                .hosts
                .iter()
                .map(|host| host.expand(&home, domain))
                .collect(),
            gateways,
            visibility: Visibility::parse(spec.export_to.iter().map(Str::as_str), &home, fallback),
            source_labels: facts.labels,
            reads_source_namespace: facts.namespace,
            has_layer4: !spec.tcp.is_empty() || !spec.tls.is_empty(),
            destinations: destinations(&spec)
                .map(|host| host.expand(&home, domain))
                .filter(|host| !host.as_str().is_empty())
                .collect(),
            delegates: BTreeSet::new(),
            declared,
        }
    }

    /// Whether it is bound to `gateway`.
    pub fn is_bound_to(&self, gateway: &GatewayRef) -> bool {
        self.gateways.contains(gateway)
    }
}

/// What the matches of a VirtualService read of the client.
#[derive(Default)]
struct MatchFacts {
    labels: BTreeSet<Str>,
    namespace: bool,
}

impl MatchFacts {
    fn of(spec: &VirtualService) -> Self {
        let mut facts = Self::default();
        for m in spec.http.iter().flat_map(|route| &route.r#match) {
            facts.read(&m.source_labels, &m.source_namespace);
        }
        for m in spec.tls.iter().flat_map(|route| &route.r#match) {
            facts.read(&m.source_labels, &m.source_namespace);
        }
        for m in spec.tcp.iter().flat_map(|route| &route.r#match) {
            facts.read(&m.source_labels, &m.source_namespace);
        }
        facts
    }

    fn read(&mut self, labels: &Selector, namespace: &Str) {
        self.labels
            .extend(labels.0.iter().map(|(key, _)| key.clone()));
        self.namespace |= !namespace.is_empty();
    }
}

fn destinations(spec: &VirtualService) -> impl Iterator<Item = &Hostname> {
    let http = spec.http.iter().flat_map(|route| {
        route
            .route
            .iter()
            .map(|r| &r.destination.host)
            .chain(route.mirror.iter().map(|m| &m.host))
            .chain(route.mirrors.iter().map(|m| &m.destination.host))
    });
    let tls = spec
        .tls
        .iter()
        .flat_map(|route| route.route.iter().map(|r| &r.destination.host));
    let tcp = spec
        .tcp
        .iter()
        .flat_map(|route| route.route.iter().map(|r| &r.destination.host));
    http.chain(tls).chain(tcp)
}

/// An entry before and after a change.
pub(crate) type Difference<'a> = (
    Option<&'a Arc<VirtualServiceEntry>>,
    Option<&'a Arc<VirtualServiceEntry>>,
);

/// All VirtualServices.
#[derive(Clone, Debug, Default)]
pub struct VirtualServiceIndex {
    /// As written; delegates are found here.
    objects: BTreeMap<ResourceKey, Declared<VirtualService>>,
    all: BTreeMap<ResourceKey, Arc<VirtualServiceEntry>>,
    by_gateway: HashMap<GatewayRef, Vec<Arc<VirtualServiceEntry>>>,
}

impl VirtualServiceIndex {
    /// Sorts the entries into their gateways.
    fn arrange(&mut self) {
        let mut sorted: Vec<_> = self.all.values().cloned().collect();
        sorted.sort_by(|a, b| a.declared.precedence(&b.declared));
        self.by_gateway.clear();
        // One without hosts is a delegate: only another one leads to it.
        for entry in sorted.into_iter().filter(|entry| !entry.hosts.is_empty()) {
            for gateway in &entry.gateways {
                self.by_gateway
                    .entry(gateway.clone())
                    .or_default()
                    .push(entry.clone());
            }
        }
    }

    /// The VirtualService with this key.
    pub fn by_key(&self, key: &ResourceKey) -> Option<&Arc<VirtualServiceEntry>> {
        self.all.get(key)
    }

    /// All VirtualServices, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<VirtualServiceEntry>> {
        self.all.values()
    }

    /// Those bound to `gateway` that a proxy in `namespace` may see, most important first: what
    /// only that namespace may see, then the oldest.
    pub fn bound_to(
        &self,
        gateway: &GatewayRef,
        namespace: Option<&Namespace>,
    ) -> Vec<Arc<VirtualServiceEntry>> {
        let bound = self.by_gateway.get(gateway).map_or(&[][..], Vec::as_slice);
        let private = bound.iter().filter(|entry| {
            !entry.visibility.is_public()
                && namespace.is_some_and(|namespace| entry.visibility.reaches(namespace))
        });
        private
            .chain(bound.iter().filter(|entry| entry.visibility.is_public()))
            .cloned()
            .collect()
    }

    /// Every one bound to `gateway`, of whatever visibility.
    pub fn all_bound_to(&self, gateway: &GatewayRef) -> &[Arc<VirtualServiceEntry>] {
        self.by_gateway.get(gateway).map_or(&[], Vec::as_slice)
    }

    /// The index with some objects replaced. Entries that delegate to one of them are made again.
    pub(crate) fn replacing(
        &self,
        changes: Vec<(ResourceKey, Option<Declared<VirtualService>>)>,
        domain: &str,
        fallback: &Visibility,
    ) -> Self {
        let mut next = self.clone();
        let mut again = BTreeSet::new();
        for (key, object) in changes {
            let users = self
                .all
                .values()
                .filter(|entry| entry.delegates.contains(&key));
            again.extend(users.map(|entry| entry.declared.key.clone()));
            again.insert(key.clone());
            match object {
                Some(object) => next.objects.insert(key, object),
                None => next.objects.remove(&key),
            };
        }
        for key in again {
            next.make_entry(key, domain, fallback);
        }
        next.arrange();
        next
    }

    fn make_entry(&mut self, key: ResourceKey, domain: &str, fallback: &Visibility) {
        let Some(object) = self.objects.get(&key) else {
            self.all.remove(&key);
            return;
        };
        let mut declared = object.clone();
        let delegates = delegate::delegates(object);
        if !delegates.is_empty() {
            declared.spec = delegate::resolve(object, &self.objects, domain, fallback);
        }
        let mut entry = VirtualServiceEntry::new(declared, domain, fallback);
        entry.delegates = delegates;
        self.all.insert(key, Arc::new(entry));
    }

    /// The index under other defaults of the mesh.
    pub(crate) fn rebuilt(old: &Self, domain: &str, fallback: &Visibility) -> Self {
        let objects = old
            .objects
            .iter()
            .map(|(key, object)| (key.clone(), Some(object.clone())));
        Self::default().replacing(objects.collect(), domain, fallback)
    }

    /// The entries that are not the same in both, before and after.
    pub(crate) fn differences<'a>(&'a self, after: &'a Self) -> Vec<Difference<'a>> {
        let gone = self
            .all
            .iter()
            .filter(|(key, _)| !after.all.contains_key(*key));
        let gone = gone.map(|(_, old)| (Some(old), None));
        let others = after
            .all
            .iter()
            .filter_map(|(key, new)| match self.all.get(key) {
                Some(old) if Arc::ptr_eq(old, new) => None,
                old => Some((old, Some(new))),
            });
        gone.chain(others).collect()
    }
}
