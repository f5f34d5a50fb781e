//! What the client wants and holds of one type.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::event::TypeUpdate;

/// One type's subscription; it outlives connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscription {
    pub(super) wildcard: bool,
    pub(super) names: BTreeSet<String>,
    /// The versions of the resources in force: what was acknowledged.
    pub(super) held: BTreeMap<String, String>,
    /// State of the world: the version acknowledged last.
    pub(super) version: String,
    /// The nonce received last on this connection.
    pub(super) nonce: String,
    /// Whether this connection has seen a request of the type.
    pub(super) opened: bool,
    /// Names given up on this connection. In state of the world a server that missed the request
    /// in between would not send such a resource again.
    pub(super) given_up: BTreeSet<String>,
    /// Updates that wait for their verdict, in order of arrival.
    waiting: Vec<Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    nonce: String,
    version: String,
    versions: Vec<(String, String)>,
    removed: Vec<String>,
    full: bool,
}

impl Subscription {
    /// A new connection: nonces of the old one mean nothing.
    pub(super) fn reconnect(&mut self) {
        self.nonce.clear();
        self.opened = false;
        self.given_up.clear();
        self.waiting.clear();
    }

    /// An update came and goes to the consumer.
    pub(super) fn received(&mut self, update: &TypeUpdate) {
        self.nonce.clone_from(&update.nonce);
        self.waiting.push(Waiting {
            nonce: update.nonce.clone(),
            version: update.version.clone(),
            versions: update
                .resources
                .iter()
                .map(|resource| (resource.name.clone(), resource.version.clone()))
                .collect(),
            removed: update.removed.clone(),
            full: update.full,
        });
    }

    /// The consumer took the update: its resources are held now.
    pub(super) fn accepted(&mut self, nonce: &str) {
        let Some(update) = self.take(nonce) else {
            return;
        };
        if update.full {
            self.held.clear();
        }
        for name in &update.removed {
            self.held.remove(name);
        }
        let wanted = update
            .versions
            .into_iter()
            .filter(|(name, _)| self.wildcard || self.names.contains(name));
        self.held.extend(wanted.collect::<Vec<_>>());
        self.version = update.version;
    }

    /// The consumer refused the update: what was held stays.
    pub(super) fn refused(&mut self, nonce: &str) {
        self.take(nonce);
    }

    fn take(&mut self, nonce: &str) -> Option<Waiting> {
        let index = self.waiting.iter().position(|w| w.nonce == nonce)?;
        Some(self.waiting.remove(index))
    }

    /// Whether the consumer may still answer `nonce` on this connection.
    pub(super) fn awaits(&self, nonce: &str) -> bool {
        self.waiting.iter().any(|waiting| waiting.nonce == nonce)
    }

    /// The names of the first delta request: empty alone means everything.
    pub(super) fn delta_names(&self) -> Vec<String> {
        let star = (self.wildcard && !self.names.is_empty()).then(|| "*".to_owned());
        star.into_iter().chain(self.names.iter().cloned()).collect()
    }

    /// The versions for the first delta request.
    pub(super) fn held_versions(&self) -> HashMap<String, String> {
        self.held
            .iter()
            .map(|(name, version)| (name.clone(), version.clone()))
            .collect()
    }
}
