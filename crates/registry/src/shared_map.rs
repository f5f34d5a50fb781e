//! `SharedMap`: a map whose copies share what they have in common.
//!
//! A snapshot is immutable, and the next one differs by a few entries. The entries lie in a fixed
//! number of shards; changing one copies its shard only (`1/SHARDS` of the map), and cloning the
//! map costs one reference count per shard.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;

/// Enough that a copied shard stays small (16 entries in a mesh of 1,000 services), few enough that
/// cloning the map stays cheap.
const SHARDS: usize = 64;

/// A hasher without a random seed: a key must land in the same shard of every copy.
type Hasher = BuildHasherDefault<DefaultHasher>;
type Shard<K, V> = Arc<HashMap<K, V, Hasher>>;

/// A map with cheap clones and cheap small changes. Iteration order is not defined.
#[derive(Clone, Debug)]
pub struct SharedMap<K, V> {
    shards: Box<[Shard<K, V>]>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            len: 0,
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> SharedMap<K, V> {
    /// The value under `key`.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shards[shard_of(key)].get(key)
    }

    /// Whether there is a value under `key`.
    pub fn contains_key<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Puts `value` under `key`; gives back what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let old = Arc::make_mut(&mut self.shards[shard_of(&key)]).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes the value out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let shard = &mut self.shards[shard_of(key)];
        if !shard.contains_key(key) {
            return None;
        }
        let old = Arc::make_mut(shard).remove(key);
        self.len -= usize::from(old.is_some());
        old
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// All keys, in no particular order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many shards two maps do not share: the cost of the change between them.
    pub fn unshared(&self, other: &Self) -> usize {
        self.shards
            .iter()
            .zip(&other.shards)
            .filter(|(a, b)| !Arc::ptr_eq(a, b))
            .count()
    }
}

impl<K: Hash + Eq + Clone, V: Clone + PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self
                .shards
                .iter()
                .zip(&other.shards)
                .all(|(a, b)| Arc::ptr_eq(a, b) || a == b)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

fn shard_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    // The shard takes the high bits: the table inside it places entries by the low ones.
    (Hasher::default().hash_one(key) >> 58) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_its_entries_when_the_other_changes() {
        let mut map: SharedMap<String, u32> = (0..1000).map(|i| (format!("key{i}"), i)).collect();
        let before = map.clone();
        assert_eq!(map.insert("key7".to_owned(), 70), Some(7));
        assert_eq!(map.remove("key8"), Some(8));
        assert_eq!(
            (before.get("key7"), before.get("key8")),
            (Some(&7), Some(&8))
        );
        assert_eq!((map.get("key7"), map.get("key8")), (Some(&70), None));
        assert_eq!(
            (before.len(), map.len(), map.iter().count()),
            (1000, 999, 999)
        );
    }

    #[test]
    fn one_change_copies_one_shard_of_a_thousand_entries() {
        let mut map: SharedMap<String, u32> = (0..1000).map(|i| (format!("key{i}"), i)).collect();
        let before = map.clone();
        map.insert("key500".to_owned(), 1);
        assert_eq!(map.unshared(&before), 1);
        assert_eq!(map.remove("absent"), None);
        assert_eq!(map.unshared(&before), 1);
    }
}
