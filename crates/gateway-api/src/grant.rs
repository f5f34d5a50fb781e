//! Whether an object may refer to one of another namespace.

use ferromesh_config::kind::gateway_api::GROUP;
use ferromesh_types::{Namespace, Str};

use crate::written::Written;

/// Kinds of objects that are referred to, all of the core group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Referred {
    Service,
    Secret,
    ConfigMap,
}

impl Referred {
    fn name(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// The namespace that a reference names; without, that of the object that refers.
pub(crate) fn namespace_of(named: &Str, home: &Namespace) -> Namespace {
    if named.is_empty() {
        home.clone()
    } else {
        Namespace::from(named.clone())
    }
}

/// Whether an object of `kind` in `home` may refer to an object: one of its own namespace, or one
/// that a ReferenceGrant of the other namespace opens to it.
pub(crate) fn permits(
    written: &Written,
    (kind, home): (&str, &Namespace),
    referred: Referred,
    (namespace, name): (&Namespace, &Str),
) -> bool {
    if home == namespace {
        return true;
    }
    written.grants(namespace).any(|grant| {
        let from_here = grant.from.iter().any(|from| {
            from.group == GROUP && from.kind == kind && from.namespace == home.as_str()
        });
        let to_there = grant.to.iter().any(|to| {
            to.group.is_empty()
                && to.kind == referred.name()
                && (to.name.is_empty() || to.name == *name)
        });
        from_here && to_there
    })
}
