//! From a pod's JSON to what has to be run: commands, environment, volumes, rollouts. Pure.

pub mod container;
pub mod environment;
pub mod expand;
pub mod fields;
pub mod quantity;
pub mod refuse;
pub mod rollout;
pub mod volumes;
