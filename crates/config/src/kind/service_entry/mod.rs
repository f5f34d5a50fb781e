//! `ServiceEntry`: a service that the platform does not know.

use ferromesh_types::{Hostname, Protocol, Str};
mod check;

use serde::Deserialize;

use crate::kind::workload_entry::WorkloadEntry;
use crate::value::WorkloadLabels;

/// A service with its hosts, ports and endpoints.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceEntry {
    /// Its names; the first one names the service.
    pub hosts: Vec<Hostname>,
    /// Virtual addresses or CIDR blocks.
    pub addresses: Vec<Str>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Inside or outside the mesh.
    pub location: Location,
    /// How endpoints are found.
    pub resolution: Resolution,
    /// Its endpoints.
    pub endpoints: Vec<WorkloadEntry>,
    /// Pods and WorkloadEntries of the namespace that are its endpoints, instead of a list.
    pub workload_selector: Option<WorkloadLabels>,
    /// Namespaces that may see it (`.`, `*`, `~`, names); empty means the mesh's default.
    pub export_to: Vec<Str>,
    /// Names of which the endpoints' certificates must carry one.
    pub subject_alt_names: Vec<Str>,
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServicePort {
    /// The number that clients use.
    pub number: u16,
    /// The protocol by name, in any case.
    pub protocol: Str,
    /// A name, unique in the service.
    pub name: Str,
    /// The number at the endpoints; absent is the same.
    pub target_port: Option<u16>,
}

impl ServicePort {
    /// The protocol: the declared one, else what the name's prefix says.
    pub fn protocol(&self) -> Protocol {
        if self.protocol.is_empty() {
            return Protocol::of_service_port("TCP", None, &self.name);
        }
        Protocol::parse(&self.protocol)
    }
}

/// Inside or outside the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// Outside: no mutual TLS of the mesh.
    #[default]
    MeshExternal,
    /// Inside.
    MeshInternal,
}

/// How endpoints are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// The address that the client asked for.
    #[default]
    None,
    /// The addresses of the list.
    Static,
    /// All addresses that DNS gives.
    Dns,
    /// The first address that DNS gives.
    DnsRoundRobin,
    /// DNS for the host of each request, for wildcard hosts.
    DynamicDns,
}
