//! From a change of config to bytes on every stream that it concerns.
//!
//! `batch` → debounce → model → [`cache::Cache::advance`] → a [`request::PushRequest`] in the slot of each
//! proxy that is concerned (`queue`) → `connection`, as many at once as the scheduler allows.

pub(crate) mod cache;
pub(crate) mod connection;
pub(crate) mod pending;
pub(crate) mod publisher;
pub(crate) mod queue;
pub(crate) mod request;
