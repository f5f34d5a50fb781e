//! Labels of workloads and services, and the selectors that read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Str;

/// Key and value pairs, ordered by key, shared between copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(Arc<BTreeMap<Str, Str>>);

impl Labels {
    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Str> {
        self.0.get(key)
    }

    /// All pairs, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.0.iter()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<Str>, V: Into<Str>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(Arc::new(
            pairs
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        ))
    }
}

/// A set of labels that a workload must carry. An empty selector selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selector(pub Labels);

impl Selector {
    /// Whether `labels` hold every pair of the selector.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Whether the selector names no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_wants_all_of_its_labels_and_ignores_others() {
        let labels: Labels = [("app", "web"), ("version", "v1")].into_iter().collect();
        let want = |pairs: &[(&str, &str)]| Selector(pairs.iter().copied().collect());
        assert!(want(&[]).matches(&labels));
        assert!(want(&[("app", "web")]).matches(&labels));
        assert!(!want(&[("app", "web"), ("tier", "x")]).matches(&labels));
        assert!(!want(&[("app", "other")]).matches(&labels));
    }
}
