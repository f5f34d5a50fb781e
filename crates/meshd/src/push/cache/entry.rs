//! What is held of one part, and what of it is out of date.

use std::sync::Arc;

use ferromesh_model::{Hosts, Snapshot};
use ferromesh_types::Str;
use ferromesh_xds::{NameSet, ResourceSet};
use tokio::time::Instant;

use super::intern::ResourceInterner;
use super::part::{Part, host_in};

/// The output of one generator.
#[derive(Debug)]
pub(super) struct Entry {
    /// What changed since the content was made.
    stale: Hosts,
    content: Option<Arc<ResourceSet>>,
    /// By the names that were asked for. Proxies with equal subscriptions share the set.
    by_names: Vec<Named>,
    /// When somebody asked last.
    pub(super) used: Instant,
}

#[derive(Debug)]
struct Named {
    names: Arc<NameSet>,
    set: Arc<ResourceSet>,
}

impl Entry {
    pub(super) fn new() -> Self {
        Self {
            stale: Hosts::default(),
            content: None,
            by_names: Vec::new(),
            used: Instant::now(),
        }
    }

    /// Notes that something changed.
    pub(super) fn mark(&mut self, touched: Hosts) {
        self.stale.merge(touched);
    }

    /// Every resource of the part.
    pub(super) fn whole(
        &mut self,
        part: &Part,
        snapshot: &Snapshot,
        interner: &ResourceInterner,
    ) -> Arc<ResourceSet> {
        self.used = Instant::now();
        let stale = std::mem::take(&mut self.stale);
        if let Some(content) = &self.content
            && stale.is_none()
        {
            return Arc::clone(content);
        }
        let intern = |resource| interner.intern(part.type_url(), resource);
        let some = self.content.as_ref().and_then(|content| {
            let made = part.generate_hosts(snapshot, &stale)?;
            let kept = content.iter().filter(|resource| {
                host_in(&resource.name).is_none_or(|host| !names_host(&stale, host))
            });
            let fresh = made.into_iter().map(intern).collect::<Vec<_>>();
            Some(kept.cloned().chain(fresh).collect::<ResourceSet>())
        });
        let content = Arc::new(
            some.unwrap_or_else(|| part.generate(snapshot).into_iter().map(intern).collect()),
        );
        self.content = Some(Arc::clone(&content));
        content
    }

    /// The resources with these names.
    pub(super) fn named(
        &mut self,
        part: &Part,
        names: &Arc<NameSet>,
        snapshot: &Snapshot,
        interner: &ResourceInterner,
    ) -> Arc<ResourceSet> {
        self.used = Instant::now();
        self.refresh(part, snapshot, interner);
        if let Some(known) = self.by_names.iter().find(|k| Arc::ptr_eq(&k.names, names)) {
            return Arc::clone(&known.set);
        }
        let (held, missing) = self.split(names);
        let made = part.generate_named(snapshot, &missing).into_iter();
        let made = made.map(|resource| interner.intern(part.type_url(), resource));
        let set: Arc<ResourceSet> = Arc::new(held.into_iter().chain(made).collect());
        self.by_names.push(Named {
            names: Arc::clone(names),
            set: Arc::clone(&set),
        });
        set
    }

    /// Makes again what changed, in every set that somebody still subscribes to.
    fn refresh(&mut self, part: &Part, snapshot: &Snapshot, interner: &ResourceInterner) {
        // The cache's own pointer is one; a stream that subscribes holds another.
        self.by_names
            .retain(|known| Arc::strong_count(&known.names) > 1);
        let stale = std::mem::take(&mut self.stale);
        if stale.is_none() {
            return;
        }
        let only_endpoints = matches!(part, Part::Endpoints(_));
        for known in &mut self.by_names {
            let outdated: Vec<Str> = known
                .names
                .iter()
                .filter(|name| {
                    !only_endpoints || host_in(name).is_none_or(|host| names_host(&stale, host))
                })
                .cloned()
                .collect();
            if outdated.is_empty() {
                continue;
            }
            let kept = known.set.iter().filter(|resource| {
                outdated
                    .binary_search_by(|name| name.as_str().cmp(&resource.name))
                    .is_err()
            });
            let made = part.generate_named(snapshot, &outdated).into_iter();
            let made = made.map(|resource| interner.intern(part.type_url(), resource));
            known.set = Arc::new(kept.cloned().chain(made).collect());
        }
    }

    /// The resources that another subscription has brought already, and the names of the others.
    fn split(&self, names: &NameSet) -> (Vec<Arc<ferromesh_xds::EncodedResource>>, Vec<Str>) {
        // The newest sets are the likeliest: a proxy subscribes to one more name at a time.
        const LOOKED_AT: usize = 4;
        let (mut held, mut missing) = (Vec::new(), Vec::new());
        for name in names.iter() {
            let newest = self.by_names.iter().rev().take(LOOKED_AT);
            match newest.into_iter().find_map(|known| known.set.find(name)) {
                Some(resource) => held.push(Arc::clone(resource)),
                None => missing.push(name.clone()),
            }
        }
        (held, missing)
    }
}

fn names_host(hosts: &Hosts, host: &str) -> bool {
    match hosts {
        Hosts::All => true,
        Hosts::Only(hosts) => hosts.contains(host),
    }
}
