//! Kubernetes Secrets by namespace and name, for gateways and destination rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferromesh_config::kubernetes::Secret;
use ferromesh_types::{Namespace, Str};

/// All Secrets.
#[derive(Clone, Debug, Default)]
pub struct SecretIndex {
    all: BTreeMap<(Namespace, Str), Arc<Secret>>,
}

impl SecretIndex {
    pub(crate) fn replace(
        &mut self,
        namespace: &Namespace,
        name: &Str,
        secret: Option<Arc<Secret>>,
    ) {
        let key = (namespace.clone(), name.clone());
        match secret {
            Some(secret) => self.all.insert(key, secret),
            None => self.all.remove(&key),
        };
    }

    /// The Secret of this namespace and name.
    pub fn of(&self, namespace: &Namespace, name: &Str) -> Option<&Arc<Secret>> {
        self.all.get(&(namespace.clone(), name.clone()))
    }
}
