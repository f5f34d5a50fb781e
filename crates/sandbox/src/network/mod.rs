//! The sandbox's network: a bridge on the host, a namespace with a veth pair per pod, load
//! balancer addresses on pods.
//!
//! Changes are made by `ip` and `iptables`, in batches: one process per pod and side. All names
//! derive from the sandbox's name ([`crate::names`]), so [`clean`] needs no record of what a
//! killed run has made; ranges are chosen by [`host::choose_ranges`].

pub mod balancer;
pub mod clean;
mod command;
pub mod host;
pub mod pod;
pub mod services;

pub use command::{CommandError, run};
