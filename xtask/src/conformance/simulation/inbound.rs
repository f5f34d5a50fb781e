//! Inbound clusters: services and the instances of them at the proxy's address.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use ferromesh_proto::envoy::config::cluster::v3::Cluster;
use ferromesh_proto::envoy::config::core::v3::address::Address;
use ferromesh_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use ferromesh_proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use ferromesh_proto::structs;
use ferromesh_simulate::{Mesh, Resources};
use serde_json::{Map, Value, json};

use super::{configure, proxy_of};

pub(super) fn compare(_: &Path, case: &Value) -> anyhow::Result<Vec<String>> {
    let mut mesh = Mesh::new();
    for object in objects(case)? {
        mesh.add(&object.to_string(), "case.json");
    }
    configure(&mut mesh, case);
    let mut differences = mesh.problems().to_vec();
    let snapshot = mesh.snapshot();
    let resources = Resources::generate(&snapshot, &snapshot.view_of(&proxy_of(case)?))?;
    let inbound: Vec<&Cluster> = resources
        .clusters
        .iter()
        .filter(|cluster| cluster.name.starts_with("inbound|"))
        .collect();
    let endpoints: Map<String, Value> = inbound
        .iter()
        .map(|cluster| (cluster.name.clone(), endpoints(cluster)))
        .collect();
    let services: Map<String, Value> = inbound
        .iter()
        .map(|cluster| (cluster.name.clone(), hosts(cluster)))
        .filter(|(_, hosts)| hosts.as_array().is_some_and(|hosts| !hosts.is_empty()))
        .collect();
    for (what, found) in [("clusters", endpoints), ("telemetryServices", services)] {
        let differ = super::super::differences(&case["expected"][what], &found.into());
        differences.extend(differ.into_iter().map(|each| format!("{what} {each}")));
    }
    Ok(differences)
}

/// The case as Kubernetes objects: Services, and an EndpointSlice per Service with the ports that
/// the proxy's workload really has.
fn objects(case: &Value) -> anyhow::Result<Vec<Value>> {
    let address = &case["proxy"]["ips"][0];
    let mut ports: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let list = |key: &str| case[key].as_array().into_iter().flatten();
    let mut objects: Vec<Value> = list("config").cloned().collect();
    for instance in list("instances") {
        let host = instance["hostname"].as_str().context("no host")?;
        let service = list("services").find(|service| service["hostname"] == *host);
        let mut all = service.into_iter().flat_map(|service| {
            let ports = service["ports"].as_array();
            ports.into_iter().flatten()
        });
        let port = all.find(|port| port["port"] == instance["port"]);
        let name = &port.context("an instance of an unknown port")?["name"];
        let port = json!({"name": name, "port": instance["targetPort"]});
        ports.entry(host).or_default().push(port);
    }
    for service in list("services") {
        let host = service["hostname"].as_str().context("no host")?;
        let mut labels = host.split('.');
        let (name, namespace) = (labels.next(), labels.next());
        let service_ports: Vec<Value> = service["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|port| {
                let protocol = port["protocol"].as_str().unwrap_or_default();
                json!({
                    "name": port["name"],
                    "port": port["port"],
                    "appProtocol": protocol.to_lowercase(),
                })
            })
            .collect();
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": service["address"], "ports": service_ports},
        }));
        objects.push(json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": ports.remove(host).unwrap_or_default(),
        }));
    }
    Ok(objects)
}

/// The endpoints of a cluster; nothing for one that follows the original destination.
fn endpoints(cluster: &Cluster) -> Value {
    let Some(assignment) = &cluster.load_assignment else {
        return Value::Null;
    };
    let all = assignment.endpoints.iter().flat_map(|g| &g.lb_endpoints);
    let addresses = all.filter_map(|endpoint| match &endpoint.host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => endpoint.address.as_ref()?.address.as_ref(),
        _ => None,
    });
    addresses
        .map(|address| match address {
            Address::SocketAddress(socket) => {
                let port = match &socket.port_specifier {
                    Some(PortSpecifier::PortValue(port)) => *port,
                    _ => 0,
                };
                Value::from(format!("{}:{port}", socket.address))
            }
            Address::Pipe(pipe) => Value::from(pipe.path.clone()),
            other => Value::from(format!("{other:?}")),
        })
        .collect()
}

/// The hosts that telemetry is told, sorted.
fn hosts(cluster: &Cluster) -> Value {
    let metadata = cluster.metadata.as_ref();
    let istio = metadata.and_then(|metadata| metadata.filter_metadata.get("istio"));
    let istio = istio.map(structs::to_json).unwrap_or_default();
    let services = istio["services"].as_array().into_iter().flatten();
    let mut hosts: Vec<Value> = services.map(|service| service["host"].clone()).collect();
    hosts.sort_by_key(ToString::to_string);
    hosts.into()
}
