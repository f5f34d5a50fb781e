//! The names that a stream subscribes to, shared between streams.
//!
//! A thousand sidecars of one mesh subscribe to the same thousand clusters. Interning the *set* by
//! its content makes that one list instead of a thousand; a stream holds a pointer to it.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ferromesh_types::Str;

/// Sorted names without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NameSet(Box<[Str]>);

impl NameSet {
    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.0
            .binary_search_by(|held| held.as_str().cmp(name))
            .is_ok()
    }

    /// All names in order.
    pub fn iter(&self) -> impl Iterator<Item = &Str> {
        self.0.iter()
    }

    /// The names as a sorted slice.
    pub fn as_slice(&self) -> &[Str] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<Str>> FromIterator<N> for NameSet {
    fn from_iter<I: IntoIterator<Item = N>>(names: I) -> Self {
        let mut names: Vec<Str> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into_boxed_slice())
    }
}

/// Keeps one copy of every set of names that is in use.
#[derive(Debug, Default)]
pub struct NameInterner {
    sets: Mutex<Sets>,
}

#[derive(Debug, Default)]
struct Sets {
    by_hash: HashMap<u64, Vec<Weak<NameSet>>>,
    /// Sets that nobody holds any more are swept when the map has grown to this.
    sweep_at: usize,
}

/// The map is not swept below this size.
const SMALL: usize = 1024;

impl NameInterner {
    /// The shared set that holds exactly `names`.
    pub fn intern<N: AsRef<str>>(&self, names: &[N]) -> Arc<NameSet> {
        let mut sorted: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut hasher = DefaultHasher::new();
        sorted.hash(&mut hasher);
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = sets.by_hash.entry(hasher.finish()).or_default();
        bucket.retain(|set| set.strong_count() > 0);
        let known = bucket
            .iter()
            .filter_map(Weak::upgrade)
            .find(|set| set.0.iter().map(Str::as_str).eq(sorted.iter().copied()));
        if let Some(set) = known {
            return set;
        }
        let set = Arc::new(NameSet(sorted.into_iter().map(Str::from).collect()));
        bucket.push(Arc::downgrade(&set));
        if sets.by_hash.len() >= sets.sweep_at.max(SMALL) {
            sets.by_hash
                .retain(|_, bucket| bucket.iter().any(|set| set.strong_count() > 0));
            sets.sweep_at = sets.by_hash.len() * 2;
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_names_in_any_order_are_one_set() {
        let interner = NameInterner::default();
        let first = interner.intern(&["b", "a", "b"]);
        let second = interner.intern(&["a", "b"]);
        assert!(Arc::ptr_eq(&first, &second));
        assert!(first.contains("a") && !first.contains("c"));
        assert_eq!(first.len(), 2);
        assert!(!Arc::ptr_eq(&first, &interner.intern(&["a"])));
    }
}
