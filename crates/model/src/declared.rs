//! A config object as the indices keep it: its identity and its typed spec.

use std::cmp::Ordering;
use std::sync::Arc;

use ferromesh_types::{Namespace, ResourceKey, Str};

/// An object that some user declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared<T> {
    /// Kind, namespace and name.
    pub key: ResourceKey,
    /// When it was made, in seconds since 1970; 0 when unknown.
    pub created: i64,
    /// What it says.
    pub spec: Arc<T>,
}

impl<T> Declared<T> {
    /// The object's namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.key.namespace
    }

    /// The object's name.
    pub fn name(&self) -> &Str {
        &self.key.name
    }

    /// The order of precedence: the oldest first, then by name, then by namespace.
    pub fn precedence<U>(&self, other: &Declared<U>) -> Ordering {
        (self.created, &self.key.name, &self.key.namespace).cmp(&(
            other.created,
            &other.key.name,
            &other.key.namespace,
        ))
    }
}
