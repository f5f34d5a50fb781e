//! From a WorkloadEntry, or an endpoint written in a ServiceEntry, to a workload.

use ferromesh_config::Object;
use ferromesh_config::kind::workload_entry::WorkloadEntry;
use ferromesh_types::{Locality, Namespace, NetworkId, Str};

use super::{NETWORK, tls_mode};
use crate::Workload;
use crate::endpoint::{EndpointAddress, Health};
use crate::settings::RegistrySettings;

/// The workload that a WorkloadEntry object is. Its labels are those of the spec over those of the
/// object. `None` without an address.
pub(crate) fn workload(
    object: &Object,
    entry: &WorkloadEntry,
    settings: &RegistrySettings,
) -> Option<Workload> {
    let mut workload = inline(entry, &object.key.name, &object.key.namespace, settings)?;
    let own = object.meta.labels.iter().chain(entry.labels.iter());
    workload.labels = own
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Some(workload)
}

/// The workload that an endpoint of a ServiceEntry is.
pub(crate) fn inline(
    entry: &WorkloadEntry,
    name: &Str,
    namespace: &Namespace,
    settings: &RegistrySettings,
) -> Option<Workload> {
    if entry.address.is_empty() {
        return None;
    }
    let network = Some(&entry.network).filter(|network| !network.is_empty());
    Some(Workload {
        name: name.clone(),
        namespace: namespace.clone(),
        owner: name.clone(),
        address: EndpointAddress::parse(&entry.address),
        additional_addresses: Vec::new(),
        labels: entry.labels.clone(),
        service_account: entry.service_account.clone(),
        identity: settings.identity(namespace, &entry.service_account),
        node: Str::default(),
        locality: locality(entry),
        network: network
            .or_else(|| entry.labels.get(NETWORK))
            .cloned()
            .map(NetworkId::from)
            .unwrap_or_default(),
        cluster: settings.cluster.clone(),
        ports: entry.ports.clone(),
        weight: entry.weight.max(1),
        // Who has a service account is taken to have a proxy with a certificate.
        istio_mtls: tls_mode(&entry.labels).unwrap_or(!entry.service_account.is_empty()),
        health: Health::Healthy,
        hostname: Str::default(),
        subdomain: Str::default(),
        is_entry: true,
        host_network: false,
    })
}

fn locality(entry: &WorkloadEntry) -> Locality {
    if entry.locality.is_empty() {
        let label = entry.labels.get("istio-locality");
        return label.map_or_else(Locality::default, |text| {
            Locality::parse(&text.replace('.', "/"))
        });
    }
    Locality::parse(&entry.locality)
}
