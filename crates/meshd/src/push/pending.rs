//! Changes that wait for quiet: of each object, the version before the first and after the last.

use std::collections::HashMap;

use ferromesh_config::Spec;
use ferromesh_ingest::Change;
use ferromesh_types::ResourceKey;

/// Changes of objects, one per object, in the order of their first change.
#[derive(Debug, Default)]
pub(crate) struct PendingChanges {
    changes: Vec<Change>,
    places: HashMap<ResourceKey, usize>,
}

impl PendingChanges {
    /// Adds later changes.
    pub(crate) fn add(&mut self, changes: Vec<Change>) {
        for change in changes {
            match self.places.get(&change.key) {
                Some(place) => self.changes[*place].new = change.new,
                None => {
                    self.places.insert(change.key.clone(), self.changes.len());
                    self.changes.push(change);
                }
            }
        }
    }

    /// Takes all of them. An object that came and went is none.
    pub(crate) fn take(&mut self) -> Vec<Change> {
        self.places.clear();
        let mut changes = std::mem::take(&mut self.changes);
        changes.retain(|change| change.old.is_some() || change.new.is_some());
        changes
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Whether a change can only move endpoints.
pub(crate) fn moves_endpoints(change: &Change) -> bool {
    let object = change.new.as_ref().or(change.old.as_ref());
    object.is_some_and(|object| {
        matches!(
            object.spec,
            Spec::Pod(_) | Spec::Endpoints(_) | Spec::EndpointSlice(_) | Spec::WorkloadEntry(_)
        )
    })
}
