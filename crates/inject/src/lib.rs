//! Injection: a pod without a proxy in, the same pod with one out.
//!
//! [`decide()`] answers whether a pod is meant to have a proxy, by Istio's decision table; [`inject`]
//! builds the pod. Both are pure functions over the pod's JSON, so that the webhook of a cluster
//! and the sandbox produce the same pod, and fields that we do not know survive.

mod annotations;
mod decide;
mod environment;
mod error;
mod init;
mod metadata;
mod pod;
mod probes;
mod proxy;
mod settings;
mod volumes;

pub use decide::{Decision, decide};
pub use error::InjectError;
pub use pod::{Target, inject};
pub use settings::{InjectSettings, Owner, Policy};

#[cfg(test)]
mod tests;
