//! The indices of a snapshot, one file per kind of question.
//!
//! Each index is an immutable value made from the objects of its kind alone; the builder makes a
//! new one when such an object changes and shares all others.

mod delegate;
pub(crate) mod destination_rule;
pub(crate) mod gateway;
pub(crate) mod peer_authentication;
pub(crate) mod secret;
pub(crate) mod service;
pub(crate) mod sidecar;
pub(crate) mod virtual_service;
