//! What the control plane knows: services, endpoints, config objects, problems, mesh config.

use ferromesh_config::Spec;
use ferromesh_registry::{Endpoint, Service, TargetPort};
use serde_json::{Map, Value, json};

use crate::control_plane::ControlPlane;

/// Every service.
pub(super) fn services(plane: &ControlPlane) -> Value {
    let snapshot = &plane.cache.current().snapshot;
    let mut all: Vec<_> = snapshot.services().iter().collect();
    all.sort_by_key(|service| service.key());
    Value::Array(all.into_iter().map(|service| of_service(service)).collect())
}

fn of_service(service: &Service) -> Value {
    let ports: Vec<Value> = service
        .ports
        .iter()
        .map(|port| {
            let target = match &port.target_port {
                TargetPort::Number(number) => json!(number),
                TargetPort::Name(name) => json!(name.as_str()),
            };
            json!({
                "name": port.name.as_str(),
                "port": port.port,
                "targetPort": target,
                "protocol": port.protocol.to_string(),
            })
        })
        .collect();
    let addresses: Vec<String> = service.addresses.iter().map(ToString::to_string).collect();
    let automatic: Vec<String> = service
        .auto_addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    json!({
        "hostname": service.hostname.as_str(),
        "Attributes": {
            "Name": service.name.as_str(),
            "Namespace": service.namespace.as_str(),
            "ServiceRegistry": format!("{:?}", service.provider),
        },
        "addresses": addresses,
        "autoAllocatedAddresses": automatic,
        "ports": ports,
        "Resolution": format!("{:?}", service.resolution),
        "MeshExternal": service.mesh_external,
    })
}

/// Every endpoint, by service.
pub(super) fn endpoints(plane: &ControlPlane) -> Value {
    let snapshot = &plane.cache.current().snapshot;
    let mut all: Vec<_> = snapshot.endpoints().iter().collect();
    all.sort_by_key(|(key, _)| (*key).clone());
    let list = all.into_iter().map(|(key, endpoints)| {
        let endpoints: Vec<Value> = endpoints.endpoints.iter().map(of_endpoint).collect();
        json!({
            "service": key.hostname.as_str(),
            "namespace": key.namespace.as_str(),
            "endpoints": endpoints,
        })
    });
    Value::Array(list.collect())
}

fn of_endpoint(endpoint: &Endpoint) -> Value {
    let labels: Map<String, Value> = endpoint
        .labels
        .iter()
        .map(|(key, value)| (key.to_string(), Value::from(value.as_str())))
        .collect();
    json!({
        "address": endpoint.address.to_string(),
        "port": endpoint.port,
        "servicePort": endpoint.service_port.as_str(),
        "labels": labels,
        "identity": endpoint.identity.as_str(),
        "workload": endpoint.workload_name.as_str(),
        "locality": endpoint.locality.to_string(),
        "weight": endpoint.weight,
        "network": endpoint.network.as_str(),
        "mtls": endpoint.istio_mtls,
        "health": format!("{:?}", endpoint.health),
    })
}

/// Every config object in force. Secrets are left out.
pub(super) fn config(plane: &ControlPlane) -> Value {
    let objects = plane.objects();
    let shown = objects
        .iter()
        .filter(|object| !matches!(object.spec, Spec::Secret(_)));
    Value::Array(shown.map(|object| (*object.raw).clone()).collect())
}

/// Everything that is wrong with the config.
pub(super) fn problems(plane: &ControlPlane) -> Value {
    let problems = plane.problems.current();
    let list = problems.iter().map(|problem| {
        let mut value = serde_json::to_value(problem).unwrap_or_default();
        value["text"] = Value::from(problem.to_string());
        value
    });
    Value::Array(list.collect())
}

/// The mesh config in force.
pub(super) fn mesh_config(plane: &ControlPlane) -> String {
    format!("{:#?}\n", plane.cache.current().snapshot.mesh())
}
