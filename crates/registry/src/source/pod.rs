//! From a Pod to a workload.

use std::net::IpAddr;

use ferromesh_config::Object;
use ferromesh_config::kubernetes::Pod;
use ferromesh_types::{Locality, NetworkId, Str};

use super::{NETWORK, tls_mode};
use crate::Workload;
use crate::endpoint::{EndpointAddress, Health};
use crate::settings::RegistrySettings;

/// A locality on the pod itself, with dots for slashes, since a label value may not hold these.
const LOCALITY: &str = "istio-locality";

/// The workload that a pod is; `None` while it has no address, and once it has finished.
/// `node_locality` is where its node is.
pub(crate) fn workload(
    object: &Object,
    pod: &Pod,
    node_locality: &Locality,
    settings: &RegistrySettings,
) -> Option<Workload> {
    if pod.is_finished() {
        return None;
    }
    let mut addresses = pod
        .addresses()
        .into_iter()
        .filter_map(|ip| ip.parse::<IpAddr>().ok());
    let address = addresses.next()?;
    let labels = object.meta.labels.clone();
    let namespace = object.key.namespace.clone();
    let account = pod.spec.account();
    Some(Workload {
        name: object.key.name.clone(),
        owner: owner(object),
        address: EndpointAddress::Ip(address),
        additional_addresses: addresses.collect(),
        identity: settings.identity(&namespace, &account),
        service_account: account,
        node: pod.spec.node_name.clone(),
        locality: labels.get(LOCALITY).map_or_else(
            || node_locality.clone(),
            |text| Locality::parse(&text.replace('.', "/")),
        ),
        network: labels
            .get(NETWORK)
            .cloned()
            .map(NetworkId::from)
            .unwrap_or_default(),
        cluster: settings.cluster.clone(),
        ports: pod
            .spec
            .containers
            .iter()
            .chain(
                pod.spec
                    .init_containers
                    .iter()
                    .filter(|c| c.restart_policy == *"Always"),
            )
            .flat_map(|container| &container.ports)
            .filter(|port| !port.name.is_empty())
            .map(|port| (port.name.clone(), port.container_port))
            .collect(),
        weight: 1,
        // A gateway is injected, too, but takes what its servers say: only the label counts.
        istio_mtls: tls_mode(&labels).unwrap_or_default(),
        health: health(object, pod),
        hostname: pod.spec.hostname.clone(),
        subdomain: pod.spec.subdomain.clone(),
        is_entry: false,
        host_network: pod.spec.host_network,
        namespace,
        labels,
    })
}

/// A pod that reports no conditions at all is not run by a kubelet; its address is all there is to
/// know, and it counts as ready.
fn health(object: &Object, pod: &Pod) -> Health {
    if object.meta.deletion_timestamp.is_some() {
        Health::Terminating
    } else if pod.is_ready() || pod.status.conditions.is_empty() {
        Health::Healthy
    } else {
        Health::Unhealthy
    }
}

/// The Deployment's name: that of the owning ReplicaSet without its hash; else the owner's name,
/// else the pod's own.
fn owner(object: &Object) -> Str {
    let raw = object.raw.to_value();
    let field = |path: &str| raw.pointer(path).and_then(|value| value.as_str());
    let Some(owner) = field("/metadata/ownerReferences/0/name") else {
        return object.key.name.clone();
    };
    let hash = object.meta.labels.get("pod-template-hash");
    if field("/metadata/ownerReferences/0/kind") == Some("ReplicaSet")
        && let Some(deployment) =
            hash.and_then(|hash| owner.strip_suffix(hash.as_str())?.strip_suffix('-'))
    {
        return deployment.into();
    }
    owner.into()
}
