//! The versions of one resource: the one in force, the one that warms, and why the last was refused.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ferromesh_proto::google::protobuf::Any;
use ferromesh_types::Str;

/// A resource as it was received.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// Its version.
    pub version: Str,
    /// The encoded message.
    pub body: Any,
    /// When; `None` for parts of the bootstrap.
    pub at: Option<SystemTime>,
}

/// A compiled resource with what it came from.
#[derive(Debug)]
pub struct Versioned<T> {
    /// Compiled.
    pub value: Arc<T>,
    /// What it came from.
    pub received: Received,
    /// Secrets that the aggregated stream must be asked for.
    pub ads_secrets: Vec<Str>,
    /// Since when it waits.
    pub since: Instant,
}

/// A version that was refused.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// What was refused.
    pub received: Received,
    /// Why.
    pub reason: String,
}

/// All versions of one resource.
#[derive(Debug)]
pub struct Slot<T> {
    /// In force.
    pub active: Option<Versioned<T>>,
    /// Will be in force when what it needs has come.
    pub warming: Option<Versioned<T>>,
    /// The last refusal, until a version is accepted.
    pub rejected: Option<Rejected>,
    /// Part of the bootstrap: never removed by the control plane.
    pub is_static: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            active: None,
            warming: None,
            rejected: None,
            is_static: false,
        }
    }
}

impl<T> Slot<T> {
    /// The newest accepted version.
    pub fn newest(&self) -> Option<&Versioned<T>> {
        self.warming.as_ref().or(self.active.as_ref())
    }

    /// Notes that the newest version was sent again: true when nothing but the version changed.
    pub(super) fn is_repeated(&mut self, received: &Received) -> bool {
        let newest = self.warming.as_mut().or(self.active.as_mut());
        match newest {
            Some(newest) if newest.received.body == received.body => {
                newest.received.version = received.version.clone();
                self.rejected = None;
                true
            }
            _ => false,
        }
    }

    /// Both accepted versions.
    pub fn versions(&self) -> impl Iterator<Item = &Versioned<T>> {
        self.active.iter().chain(&self.warming)
    }

    /// Puts the warming version in force. True when there was one.
    pub(super) fn promote(&mut self) -> bool {
        let Some(warm) = self.warming.take() else {
            return false;
        };
        self.active = Some(warm);
        true
    }
}
