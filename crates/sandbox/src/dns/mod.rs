//! The name server of the pods, on the bridge's address.
//!
//! It knows the cluster's names ([`zone`]) and passes other questions on to the host's resolvers
//! ([`forward`]). A pod whose traffic a sidecar captures is told a service's cluster address, as in
//! Kubernetes; others are told the addresses of the pods, since nothing else would carry their
//! packets: there is no kube-proxy.

mod forward;
mod server;
mod zone;

pub use server::{DnsError, DnsServer, serve};
pub use zone::{ServiceNames, Zone};
