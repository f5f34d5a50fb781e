//! The name server of the pods, on the bridge's address.
//!
//! It knows the cluster's names ([`zone`]) and passes other questions on to the host's resolvers
//! ([`forward`]). Pods are told a service's cluster address, as in Kubernetes: a sidecar
//! carries their packets on, or the rules of [`crate::network::services`]. The host, which has
//! neither, is told the addresses of the pods.

mod forward;
mod server;
mod zone;

pub use server::{DnsError, DnsServer, serve};
pub use zone::{ServiceNames, Zone};
