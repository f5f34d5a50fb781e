//! Endpoints and EndpointSlice.

use ferromesh_types::Str;
use serde::Deserialize;

/// Endpoints of the service of the same name, in the older form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// Groups of addresses with the same ports.
    pub subsets: Vec<EndpointSubset>,
}

/// Addresses with the same ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSubset {
    /// Those that are ready.
    pub addresses: Vec<EndpointAddress>,
    /// Those that are not.
    pub not_ready_addresses: Vec<EndpointAddress>,
    /// The ports.
    pub ports: Vec<EndpointPort>,
}

/// An address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointAddress {
    /// The address.
    pub ip: Str,
    /// Its own name below the service.
    pub hostname: Str,
    /// The node.
    pub node_name: Str,
    /// The pod.
    pub target_ref: Option<TargetReference>,
}

/// An object behind an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetReference {
    /// Its kind.
    pub kind: Str,
    /// Its namespace.
    pub namespace: Str,
    /// Its name.
    pub name: Str,
}

/// A port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointPort {
    /// The name of the service's port.
    pub name: Str,
    /// Its number at the address.
    pub port: u16,
    /// `TCP` (also when empty), `UDP`, `SCTP`.
    pub protocol: Str,
    /// The application protocol that is declared.
    pub app_protocol: Option<Str>,
}

/// Some of the endpoints of the service that the label `kubernetes.io/service-name` names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// `IPv4`, `IPv6`, `FQDN`.
    pub address_type: Str,
    /// The endpoints.
    pub endpoints: Vec<SliceEndpoint>,
    /// The ports of all of them.
    pub ports: Vec<SlicePort>,
}

/// An endpoint of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SliceEndpoint {
    /// Addresses of the same thing; the first one counts.
    pub addresses: Vec<Str>,
    /// Whether it takes traffic.
    pub conditions: EndpointConditions,
    /// Its own name below the service.
    pub hostname: Str,
    /// The node.
    pub node_name: Str,
    /// The zone.
    pub zone: Str,
    /// The pod.
    pub target_ref: Option<TargetReference>,
}

/// Whether an endpoint takes traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointConditions {
    /// Ready; absent is yes.
    pub ready: Option<bool>,
    /// Ready without regard to termination.
    pub serving: Option<bool>,
    /// On its way out.
    pub terminating: Option<bool>,
}

/// A port of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlicePort {
    /// The name of the service's port.
    pub name: Str,
    /// Its number; absent is all ports.
    pub port: Option<u16>,
    /// `TCP` (also when empty), `UDP`, `SCTP`.
    pub protocol: Str,
    /// The application protocol that is declared.
    pub app_protocol: Option<Str>,
}
