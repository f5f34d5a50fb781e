//! The endpoints of a cluster as a message, with metadata in a fixed order.
//!
//! These are `envoy.config.endpoint.v3.ClusterLoadAssignment` and its parts, as far as they are
//! used. They are declared here because the generated ones keep metadata in a hash map, and because
//! this is the resource that is made most often.

use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::config::endpoint::v3::Endpoint as Host;
use ferromesh_proto::google::protobuf::UInt32Value;
use ferromesh_registry::{Endpoint, EndpointAddress, Health};
use ferromesh_types::Locality;
use prost::Message;

use crate::cds::client_tls::{TLS_MODE, TLS_MODE_ISTIO};
use crate::value::{address, number, pipe};
use crate::wire;

/// The metadata by which a transport socket is chosen.
const TRANSPORT_SOCKET_MATCH: &str = "envoy.transport_socket_match";

/// The name and revision of a workload for telemetry.
const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";

/// `ClusterLoadAssignment`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Assignment {
    /// `cluster_name`.
    #[prost(string, tag = "1")]
    pub(crate) cluster_name: String,
    /// `endpoints`.
    #[prost(message, repeated, tag = "2")]
    pub(crate) groups: Vec<Group>,
}

impl Assignment {
    /// How many endpoints there are.
    pub(crate) fn endpoint_count(&self) -> usize {
        self.groups.iter().map(|group| group.members.len()).sum()
    }
}

/// `LocalityLbEndpoints`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Group {
    /// `locality`.
    #[prost(message, optional, tag = "1")]
    pub(crate) locality: Option<core::Locality>,
    /// `lb_endpoints`.
    #[prost(message, repeated, tag = "2")]
    pub(crate) members: Vec<Member>,
    /// `load_balancing_weight`.
    #[prost(message, optional, tag = "3")]
    pub(crate) weight: Option<UInt32Value>,
    /// `priority`.
    #[prost(uint32, tag = "5")]
    pub(crate) priority: u32,
}

/// `LbEndpoint`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Member {
    /// `endpoint`.
    #[prost(message, optional, tag = "1")]
    pub(crate) host: Option<Host>,
    /// `health_status`.
    #[prost(enumeration = "core::HealthStatus", tag = "2")]
    pub(crate) health: i32,
    /// `metadata`, encoded.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) metadata: Option<Vec<u8>>,
    /// `load_balancing_weight`.
    #[prost(message, optional, tag = "4")]
    pub(crate) weight: Option<UInt32Value>,
}

/// The endpoint as a member. `mutual_tls` says whether clients use it with this endpoint.
pub(crate) fn member(endpoint: &Endpoint, mutual_tls: bool) -> Member {
    Member {
        host: Some(Host {
            address: Some(socket(endpoint)),
            ..Default::default()
        }),
        health: health(endpoint.health) as i32,
        metadata: metadata(endpoint, mutual_tls),
        weight: number(endpoint.weight.max(1)),
    }
}

/// The locality as a message.
pub(crate) fn locality(place: &Locality) -> core::Locality {
    core::Locality {
        region: place.region.to_string(),
        zone: place.zone.to_string(),
        sub_zone: place.sub_zone.to_string(),
    }
}

fn socket(endpoint: &Endpoint) -> core::Address {
    match &endpoint.address {
        EndpointAddress::Ip(ip) => address(ip.to_string(), endpoint.port),
        EndpointAddress::Hostname(name) => address(name.as_str(), endpoint.port),
        EndpointAddress::Unix(path) => pipe(path),
    }
}

/// An endpoint that is going away serves what it holds and gets nothing new.
fn health(health: Health) -> core::HealthStatus {
    match health {
        Health::Healthy => core::HealthStatus::Healthy,
        Health::Unhealthy => core::HealthStatus::Unhealthy,
        Health::Terminating => core::HealthStatus::Draining,
    }
}

/// Encoded by hand: this is made for every endpoint of the mesh.
fn metadata(endpoint: &Endpoint, mutual_tls: bool) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    if mutual_tls {
        wire::append_text_metadata(&mut all, TRANSPORT_SOCKET_MATCH, TLS_MODE, TLS_MODE_ISTIO);
    }
    if !endpoint.workload_name.is_empty() {
        wire::append_text_metadata(&mut all, "istio", "workload", &workload(endpoint));
    }
    (!all.is_empty()).then_some(all)
}

/// `name;namespace;canonical name;canonical revision;cluster`, which telemetry reads. The names
/// come from labels, by Kubernetes' and Istio's conventions.
fn workload(endpoint: &Endpoint) -> String {
    let label = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| endpoint.labels.get(key))
            .cloned()
            .unwrap_or_default()
    };
    let name = label(&[CANONICAL_NAME, "app.kubernetes.io/name", "app"]);
    let revision = label(&[CANONICAL_REVISION, "app.kubernetes.io/version", "version"]);
    format!(
        "{};{};{};{};{}",
        endpoint.workload_name,
        endpoint.namespace,
        if name.is_empty() {
            &endpoint.workload_name
        } else {
            &name
        },
        if revision == "latest" {
            ""
        } else {
            revision.as_str()
        },
        endpoint.cluster,
    )
}
