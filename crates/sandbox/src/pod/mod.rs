//! One pod's life: a task that brings its containers up, watches them, and takes them down.
//!
//! The supervisor gives the task what to run and orders ([`PodOrder`]); the task tells how it
//! stands ([`PodStatus`]) on every change and [`PodReport::Gone`] at its end. It owns everything of the
//! pod on the host: network namespace, directory, processes.

mod begin;
mod containers;
mod exec;
mod hooks;
mod life;
mod probes;
mod restart;
mod setup;
mod shutdown;
mod status;

pub use life::{PodOrder, PodReport, PodStart, Pods, spawn_pod};
pub(crate) use status::timestamp;
pub use status::{ContainerState, ContainerStatus, Phase, PodStatus};
