//! From config objects to services, workloads and endpoints, one file per kind.
//!
//! Every function here is pure: an object and the settings in, a value of the registry out. What
//! belongs together (which pods stand behind which service) is decided in `registry`.

pub(crate) mod endpoint_slice;
pub(crate) mod kubernetes_service;
pub(crate) mod node;
pub(crate) mod pod;
pub(crate) mod service_entry;
pub(crate) mod workload_entry;

use ferromesh_config::Object;
use ferromesh_types::Labels;

use crate::{Endpoint, Workload};

/// The label that says what a workload's proxy accepts.
const TLS_MODE: &str = "security.istio.io/tlsMode";
/// The label that names the network of a workload.
const NETWORK: &str = "topology.istio.io/network";

/// When an object was made, in seconds since 1970; 0 when it does not say.
pub fn created(object: &Object) -> i64 {
    match object.meta.creation_timestamp {
        Some(at) => at.unix_timestamp(),
        None => 0,
    }
}

/// Whether labels say that the proxy accepts Istio mutual TLS; `None` if they do not say.
fn tls_mode(labels: &Labels) -> Option<bool> {
    labels.get(TLS_MODE).map(|mode| *mode == *"istio")
}

/// The endpoint that a workload is for one port of a service.
pub(crate) fn endpoint_of(workload: &Workload, service_port: &str, port: u16) -> Endpoint {
    Endpoint {
        address: workload.address.clone(),
        additional_addresses: workload.additional_addresses.clone(),
        port,
        service_port: service_port.into(),
        labels: workload.labels.clone(),
        namespace: workload.namespace.clone(),
        service_account: workload.service_account.clone(),
        identity: workload.identity.clone(),
        workload_name: workload.owner.clone(),
        locality: workload.locality.clone(),
        node: workload.node.clone(),
        weight: workload.weight,
        network: workload.network.clone(),
        cluster: workload.cluster.clone(),
        istio_mtls: workload.istio_mtls,
        health: workload.health,
        hostname: workload.hostname.clone(),
        subdomain: workload.subdomain.clone(),
    }
}
