//! The agent beside a data plane: identity, bootstrap, discovery relay, DNS, probes, supervision.
//!
//! | module | concern |
//! |---|---|
//! | `settings` | everything the process is told, read once |
//! | `node` | who this proxy is |
//! | `certificate` | the workload's certificate and its renewal |
//! | `control_plane` | connections to discovery and the certificate authority |
//! | `dns` | the DNS proxy |
//! | `status` | readiness, metrics, the application's probes |
//! | `discovery` | the client for our own data plane, with the name table split off |
//! | `relay`, `sds` | what a stock Envoy connects to |
//! | `bootstrap`, `envoy` | a stock Envoy's configuration and process |

pub mod bootstrap;
pub mod certificate;
pub mod control_plane;
pub mod data_plane;
pub mod discovery;
pub mod dns;
pub mod envoy;
pub mod http_client;
pub mod metrics;
pub mod names;
pub mod node;
pub mod relay;
mod running;
pub mod sds;
pub mod settings;
pub mod status;

pub use running::{Agent, AgentError};
