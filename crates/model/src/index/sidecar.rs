//! Sidecar objects: which one applies to a proxy.
//!
//! A workload's own (by selector) goes before its namespace's, and that before the one without
//! selector in the root namespace. Of several at one level the oldest counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferromesh_config::kind::sidecar::Sidecar;
use ferromesh_types::{Labels, Namespace, ResourceKey, Selector, Str};

use crate::declared::Declared;

/// All Sidecar objects.
#[derive(Clone, Debug, Default)]
pub struct SidecarIndex {
    /// Per namespace, oldest first.
    by_namespace: BTreeMap<Namespace, Vec<Arc<Declared<Sidecar>>>>,
}

impl SidecarIndex {
    pub(crate) fn replace(&mut self, key: &ResourceKey, object: Option<Declared<Sidecar>>) {
        let list = self.by_namespace.entry(key.namespace.clone()).or_default();
        list.retain(|known| known.key != *key);
        list.extend(object.map(Arc::new));
        list.sort_by(|a, b| a.precedence(b));
        if list.is_empty() {
            self.by_namespace.remove(&key.namespace);
        }
    }

    /// The Sidecar with this key.
    pub fn by_key(&self, key: &ResourceKey) -> Option<&Arc<Declared<Sidecar>>> {
        self.by_namespace
            .get(&key.namespace)?
            .iter()
            .find(|sidecar| sidecar.key == *key)
    }

    /// The one that applies to a workload.
    pub fn applying_to(
        &self,
        namespace: &Namespace,
        labels: &Labels,
        root: &Namespace,
    ) -> Option<&Arc<Declared<Sidecar>>> {
        let own = self
            .by_namespace
            .get(namespace)
            .map_or(&[][..], Vec::as_slice);
        own.iter()
            .find(|sidecar| selector(sidecar).is_some_and(|selector| selector.matches(labels)))
            .or_else(|| own.iter().find(|sidecar| selector(sidecar).is_none()))
            .or_else(|| {
                let mesh = self.by_namespace.get(root)?;
                mesh.iter().find(|sidecar| selector(sidecar).is_none())
            })
    }

    /// The labels that selectors in the namespace read.
    pub fn labels_read(&self, namespace: &Namespace) -> BTreeSet<Str> {
        let own = self.by_namespace.get(namespace).into_iter().flatten();
        own.filter_map(|sidecar| selector(sidecar))
            .flat_map(|selector| selector.0.iter().map(|(key, _)| key.clone()))
            .collect()
    }

    /// All Sidecars, by namespace.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Declared<Sidecar>>> {
        self.by_namespace.values().flatten()
    }
}

fn selector(sidecar: &Declared<Sidecar>) -> Option<&Selector> {
    sidecar
        .spec
        .workload_selector
        .as_ref()
        .map(|s| &s.labels)
        .filter(|labels| !labels.is_empty())
}
