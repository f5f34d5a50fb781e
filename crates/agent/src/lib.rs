//! The agent beside a data plane: identity, bootstrap, discovery relay, DNS, probes, supervision.

pub mod bootstrap;
pub mod node;
pub mod settings;
