//! From a ServiceEntry to services (one per host) and the endpoints written in it.

use std::net::IpAddr;

use ferromesh_config::Object;
use ferromesh_config::kind::service_entry::{
    Location, Resolution as Written, ServiceEntry, ServicePort as WrittenPort,
};
use ferromesh_types::{Hostname, Str};
use ipnet::IpNet;

use super::kubernetes_service::relevant_annotations;
use super::{created, endpoint_of, workload_entry};
use crate::endpoint::{Endpoint, EndpointAddress};
use crate::service::{Provider, Resolution, Service, ServicePort, TargetPort};
use crate::settings::RegistrySettings;
use crate::{Visibility, Workload};

/// The service that the entry declares under one of its hosts.
pub(crate) fn service(
    object: &Object,
    entry: &ServiceEntry,
    host: &Hostname,
    settings: &RegistrySettings,
) -> Service {
    let namespace = object.key.namespace.clone();
    Service {
        hostname: host.clone(),
        name: object.key.name.clone(),
        addresses: entry
            .addresses
            .iter()
            .filter_map(|text| address(text))
            .collect(),
        auto_addresses: Vec::new(),
        ports: entry.ports.iter().map(port).collect(),
        resolution: match entry.resolution {
            Written::None => Resolution::Passthrough,
            Written::Static => Resolution::Static,
            Written::Dns => Resolution::Dns,
            Written::DnsRoundRobin => Resolution::DnsRoundRobin,
            Written::DynamicDns => Resolution::DynamicDns,
        },
        mesh_external: entry.location == Location::MeshExternal,
        visibility: Visibility::parse(
            entry.export_to.iter().map(Str::as_str),
            &namespace,
            &settings.service_visibility,
        ),
        labels: object.meta.labels.clone(),
        annotations: relevant_annotations(object),
        selector: entry
            .workload_selector
            .as_ref()
            .map(|selector| selector.labels.clone()),
        created: created(object),
        provider: Provider::External,
        alias_of: None,
        aliases: Vec::new(),
        subject_alt_names: entry.subject_alt_names.clone(),
        traffic_distribution: object
            .meta
            .annotations
            .get("networking.istio.io/traffic-distribution")
            .cloned(),
        headless: false,
        external_addresses: Vec::new(),
        namespace,
    }
}

fn address(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn port(port: &WrittenPort) -> ServicePort {
    ServicePort {
        name: port.name.clone(),
        port: port.number,
        target_port: TargetPort::Number(port.target_port.unwrap_or(port.number)),
        protocol: port.protocol(),
    }
}

/// Whether our own address is needed: the entry has none, and connections without one could not be
/// told apart.
pub(crate) fn wants_address(service: &Service) -> bool {
    service.provider == Provider::External
        && service.addresses.is_empty()
        && service.resolution != Resolution::Passthrough
        && (!service.hostname.is_wildcard() || service.resolution == Resolution::DynamicDns)
        && !service.hostname.as_str().is_empty()
}

/// The endpoints that the entry lists for one of its hosts. A name that DNS resolves is its own
/// endpoint when there is neither a list nor a selector.
pub(crate) fn endpoints(
    object: &Object,
    entry: &ServiceEntry,
    host: &Hostname,
    settings: &RegistrySettings,
) -> Vec<Endpoint> {
    if entry.workload_selector.is_some() || entry.resolution == Written::None {
        return Vec::new();
    }
    let by_name = matches!(entry.resolution, Written::Dns | Written::DnsRoundRobin);
    if entry.endpoints.is_empty() && by_name && !host.is_wildcard() {
        let itself = ferromesh_config::kind::workload_entry::WorkloadEntry {
            address: host.text().clone(),
            ..Default::default()
        };
        return of_workload_entry(object, entry, &itself, settings);
    }
    entry
        .endpoints
        .iter()
        .flat_map(|endpoint| of_workload_entry(object, entry, endpoint, settings))
        .collect()
}

fn of_workload_entry(
    object: &Object,
    entry: &ServiceEntry,
    endpoint: &ferromesh_config::kind::workload_entry::WorkloadEntry,
    settings: &RegistrySettings,
) -> Vec<Endpoint> {
    let Some(workload) =
        workload_entry::inline(endpoint, &object.key.name, &object.key.namespace, settings)
    else {
        return Vec::new();
    };
    entry
        .ports
        .iter()
        .map(port)
        .map(|port| endpoint_of(&workload, &port.name, workload_port(&workload, &port)))
        .collect()
}

/// The port on which a workload serves a port of the entry: what the workload says for the port's
/// name, else the target port.
pub(crate) fn workload_port(workload: &Workload, port: &ServicePort) -> u16 {
    if matches!(workload.address, EndpointAddress::Unix(_)) {
        return 0;
    }
    let own = workload
        .is_entry
        .then(|| workload.ports.get(&port.name))
        .flatten();
    match (own, &port.target_port) {
        (Some(number), _) | (None, TargetPort::Number(number)) => *number,
        (None, TargetPort::Name(_)) => port.port,
    }
}
