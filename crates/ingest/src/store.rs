//! Which version of each object counts.
//!
//! Invariants: per key, a holder below a status root wins; among equals the holder that came first
//! stays until it lets the object go. What is published differs from what was published before
//! only by the changes that were handed out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferromesh_config::{Object, Problem};
use ferromesh_types::ResourceKey;

use crate::batch::Change;
use crate::file::{FileState, Look, Why, duplicate};
use crate::scan::Rank;

/// All files with what they hold, and the objects in force.
#[derive(Debug, Default)]
pub(crate) struct Store {
    files: BTreeMap<PathBuf, FileState>,
    /// The files that hold an object, in the order in which they came to do so.
    holders: HashMap<ResourceKey, Vec<PathBuf>>,
    in_force: HashMap<ResourceKey, Arc<Object>>,
    touched: BTreeSet<ResourceKey>,
    altered: bool,
}

impl Store {
    /// Takes the present state of a file.
    pub(crate) fn look_at(&mut self, path: &Path, rank: Rank, why: Why) {
        match FileState::look(path, rank, self.files.get(path), why) {
            Look::Same => {}
            Look::Gone => self.remove(path),
            Look::Changed(state) => self.put(path, state),
        }
    }

    /// Forgets a file.
    pub(crate) fn remove(&mut self, path: &Path) {
        if let Some(state) = self.files.remove(path) {
            self.altered = true;
            for key in state.objects.into_keys() {
                self.release(path, key);
            }
        }
    }

    /// The files that are known.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// Whether the file is known.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    fn put(&mut self, path: &Path, state: FileState) {
        self.altered = true;
        for key in state.objects.keys() {
            let holders = self.holders.entry(key.clone()).or_default();
            if !holders.iter().any(|holder| holder == path) {
                holders.push(path.to_owned());
            }
            self.touched.insert(key.clone());
        }
        let before = self.files.insert(path.to_owned(), state);
        for key in before
            .into_iter()
            .flat_map(|before| before.objects.into_keys())
        {
            if !self.files[path].objects.contains_key(&key) {
                self.release(path, key);
            }
        }
    }

    fn release(&mut self, path: &Path, key: ResourceKey) {
        if let Some(holders) = self.holders.get_mut(&key) {
            holders.retain(|holder| holder != path);
            if holders.is_empty() {
                self.holders.remove(&key);
            }
        }
        self.touched.insert(key);
    }

    /// The file whose version counts.
    fn winner(&self, key: &ResourceKey) -> Option<&FileState> {
        let files = || {
            self.holders
                .get(key)
                .into_iter()
                .flatten()
                .map(|path| &self.files[path])
        };
        files()
            .find(|file| file.rank == Rank::Status)
            .or_else(|| files().next())
    }

    /// The changes since the last call; `None` when nothing was looked at that had changed.
    pub(crate) fn take_changes(&mut self) -> Option<Vec<Change>> {
        if !std::mem::take(&mut self.altered) {
            return None;
        }
        let mut changes = Vec::new();
        for key in std::mem::take(&mut self.touched) {
            let new = self
                .winner(&key)
                .and_then(|file| file.objects.get(&key))
                .cloned();
            let old = match &new {
                Some(object) => self.in_force.insert(key.clone(), Arc::clone(object)),
                None => self.in_force.remove(&key),
            };
            let same = match (&old, &new) {
                (Some(old), Some(new)) => old.same_content(new),
                (None, None) => true,
                _ => false,
            };
            if !same {
                changes.push(Change { key, old, new });
            }
        }
        Some(changes)
    }

    /// All problems: of files, of objects that are there twice, and warnings of those in force.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (path, file) in &self.files {
            problems.extend(file.problems.iter().cloned());
            for (key, object) in &file.objects {
                let Some(winner) = self.in_force.get(key) else {
                    continue;
                };
                if Arc::ptr_eq(winner, object) {
                    problems.extend(object.warnings.iter().cloned());
                } else if self.is_duplicate(key, path, file.rank) {
                    problems.push(duplicate(object, winner));
                }
            }
        }
        problems.sort_by(|a, b| a.origin.cmp(&b.origin).then_with(|| a.field.cmp(&b.field)));
        problems
    }

    /// Whether a file of the same rank holds the object before `path` does.
    fn is_duplicate(&self, key: &ResourceKey, path: &Path, rank: Rank) -> bool {
        self.holders
            .get(key)
            .into_iter()
            .flatten()
            .find(|holder| self.files[*holder].rank == rank)
            .is_some_and(|first| first != path)
    }

    /// All objects in force.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.in_force.values()
    }
}

#[cfg(test)]
mod tests;
