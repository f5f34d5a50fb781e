//! From a Kubernetes Service to a service, and the port that one of its pods serves it on.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ferromesh_config::Object;
use ferromesh_config::kubernetes::{self, ServiceType};
use ferromesh_types::{Hostname, Str};
use ipnet::IpNet;

use super::created;
use crate::service::{Provider, Resolution, Service, ServicePort, TargetPort};
use crate::settings::RegistrySettings;
use crate::{Visibility, Workload};

const EXPORT_TO: &str = "networking.istio.io/exportTo";
const TRAFFIC_DISTRIBUTION: &str = "networking.istio.io/traffic-distribution";

/// The service that the object declares.
pub(crate) fn service(
    object: &Object,
    spec: &kubernetes::Service,
    settings: &RegistrySettings,
) -> Service {
    let namespace = object.key.namespace.clone();
    let spec_of = &spec.spec;
    let alias_of = (spec_of.r#type == ServiceType::ExternalName)
        .then(|| Hostname::from(spec_of.external_name.trim_end_matches('.')));
    let annotations = &object.meta.annotations;
    let export_to = annotations.get(EXPORT_TO);
    Service {
        hostname: Hostname::from(format!(
            "{}.{namespace}.svc.{}",
            object.key.name, settings.domain
        )),
        name: object.key.name.clone(),
        addresses: virtual_addresses(spec_of),
        auto_addresses: Vec::new(),
        ports: spec_of.ports.iter().map(port).collect(),
        resolution: if alias_of.is_some() {
            Resolution::Alias
        } else if spec_of.is_headless() {
            Resolution::Passthrough
        } else {
            Resolution::ClientSideLb
        },
        mesh_external: false,
        visibility: Visibility::parse(
            export_to.iter().flat_map(|list| list.split(',')),
            &namespace,
            &settings.service_visibility,
        ),
        labels: object.meta.labels.clone(),
        annotations: relevant_annotations(object),
        selector: Some(spec_of.selector.clone()).filter(|selector| !selector.is_empty()),
        created: created(object),
        provider: Provider::Kubernetes,
        alias_of,
        aliases: Vec::new(),
        subject_alt_names: Vec::new(),
        traffic_distribution: Some(&spec_of.traffic_distribution)
            .filter(|text| !text.is_empty())
            .or_else(|| annotations.get(TRAFFIC_DISTRIBUTION))
            .cloned(),
        headless: spec_of.is_headless(),
        external_addresses: external_addresses(spec),
        namespace,
    }
}

/// Annotations that change what proxies get.
pub(crate) fn relevant_annotations(object: &Object) -> BTreeMap<Str, Str> {
    let annotations = object.meta.annotations.iter();
    annotations
        .filter(|(key, _)| key.starts_with("networking.istio.io/"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn virtual_addresses(spec: &kubernetes::ServiceSpec) -> Vec<IpNet> {
    let all = if spec.cluster_ips.is_empty() {
        std::slice::from_ref(&spec.cluster_ip)
    } else {
        &spec.cluster_ips[..]
    };
    all.iter()
        .filter_map(|ip| ip.parse::<IpAddr>().ok())
        .map(IpNet::from)
        .collect()
}

fn external_addresses(service: &kubernetes::Service) -> Vec<IpAddr> {
    let balancer = service
        .status
        .load_balancer
        .ingress
        .iter()
        .map(|ingress| &ingress.ip);
    balancer
        .chain(&service.spec.external_ips)
        .filter_map(|ip| ip.parse().ok())
        .collect()
}

fn port(port: &kubernetes::ServicePort) -> ServicePort {
    let target_port = match &port.target_port {
        None => TargetPort::Number(port.port),
        Some(target) => match (target.as_port(), target.as_name()) {
            // Kubernetes writes 0 where the field is left out.
            (Some(0), _) | (None, None) => TargetPort::Number(port.port),
            (Some(number), _) => TargetPort::Number(number),
            (None, Some(name)) => TargetPort::Name(name.clone()),
        },
    };
    ServicePort {
        name: port.name.clone(),
        port: port.port,
        target_port,
        protocol: port.protocol(),
    }
}

/// The port on which a workload serves a port of the service; `None` if it does not.
pub(crate) fn workload_port(workload: &Workload, port: &ServicePort) -> Option<u16> {
    match &port.target_port {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => workload
            .ports
            .get(name)
            .or_else(|| {
                workload
                    .is_entry
                    .then(|| workload.ports.get(&port.name))
                    .flatten()
            })
            .copied(),
    }
}
