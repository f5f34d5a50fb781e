//! The name server of the pods, on the bridge's address.
//!
//! It knows the cluster's names ([`zone`]) and passes other questions on to the host's resolvers
//! ([`forward`]). A pod whose traffic a sidecar captures is told a service's cluster address, as in
//! Kubernetes; others, and the host, are told the addresses of the ready pods. The rules of
//! [`crate::network::services`] make the service's port lead to the pod's there too.

mod forward;
mod server;
mod zone;

pub use server::{DnsError, DnsServer, serve};
pub use zone::{ServiceNames, Zone};
