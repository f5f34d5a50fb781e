//! The agent beside a data plane: identity, bootstrap, discovery relay, DNS, probes, supervision.
//!
//! | module | concern |
//! |---|---|
//! | `settings` | everything the process is told, read once |
//! | `node` | who this proxy is |
//! | `certificate` | the workload's certificate and its renewal |
//! | `control_plane` | connections to discovery and the certificate authority |
//! | `dns` | the DNS proxy |
//! | `bootstrap` | the configuration of a stock Envoy |

pub mod bootstrap;
pub mod certificate;
pub mod control_plane;
pub mod dns;
pub mod node;
pub mod settings;
