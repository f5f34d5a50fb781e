//! The identity of a config object, and our own revision number.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Namespace, Str};

/// Which object: kind, namespace (empty for cluster-scoped kinds) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceKey {
    /// The kind's name, as in `VirtualService`.
    pub kind: Str,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: Namespace,
    /// The object's name.
    pub name: Str,
}

impl ResourceKey {
    /// Puts the three parts together.
    pub fn new(kind: impl Into<Str>, namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self {
            kind: kind.into(),
            namespace: Namespace::from(namespace.into()),
            name: name.into(),
        }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Our own revision number: it grows with every published change. (`version` is xDS's word.)
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
