//! Mutual TLS modes, merged from PeerAuthentication objects.
//!
//! The order is mesh (root namespace, no selector), namespace, workload; at each level the oldest
//! object counts and `UNSET` inherits. Selectors in the root namespace are ignored, port-level
//! modes count only in objects with a selector.

use std::collections::BTreeMap;

/// What a workload accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MtlsMode {
    /// Mutual TLS is not used.
    Disable,
    /// Both plain text and mutual TLS.
    #[default]
    Permissive,
    /// Mutual TLS only.
    Strict,
}

/// The modes in force for one workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MergedAuthentication {
    /// The mode of all ports that are not listed.
    pub mode: MtlsMode,
    /// Modes of single ports of the workload (target ports).
    pub ports: BTreeMap<u16, MtlsMode>,
}

impl MergedAuthentication {
    /// The mode of the workload's port.
    pub fn of_port(&self, port: u16) -> MtlsMode {
        self.ports.get(&port).copied().unwrap_or(self.mode)
    }
}
