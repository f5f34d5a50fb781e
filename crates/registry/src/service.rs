//! A service: a host name, its ports, and how its endpoints are found.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ferromesh_types::{Hostname, Labels, Namespace, Protocol, Selector, Str};
use ipnet::IpNet;

use crate::Visibility;

/// The identity of a service: two namespaces may each declare the same host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The full host name.
    pub hostname: Hostname,
    /// The namespace of the declaring object.
    pub namespace: Namespace,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.hostname)
    }
}

/// Where the definition of a service comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// A Kubernetes Service.
    Kubernetes,
    /// A ServiceEntry.
    External,
}

/// How a client finds the endpoints of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// The control plane knows the endpoints (a Kubernetes Service with a cluster address).
    ClientSideLb,
    /// The endpoints are listed or selected in a ServiceEntry (`STATIC`).
    Static,
    /// The proxy resolves names and uses all answers (`DNS`).
    Dns,
    /// The proxy resolves names and uses one answer at a time (`DNS_ROUND_ROBIN`).
    DnsRoundRobin,
    /// Connections go where the application sent them (headless, `NONE`).
    Passthrough,
    /// The proxy resolves the name of each request under a wildcard (`DYNAMIC_DNS`).
    DynamicDns,
    /// Another name for a service (ExternalName); it has no cluster of its own.
    Alias,
}

impl Resolution {
    /// Whether endpoints are served through EDS.
    pub fn uses_eds(self) -> bool {
        matches!(self, Self::ClientSideLb | Self::Static)
    }

    /// Whether the proxy resolves names.
    pub fn uses_dns(self) -> bool {
        matches!(self, Self::Dns | Self::DnsRoundRobin)
    }
}

/// The port of a workload that a service port leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetPort {
    /// This very port.
    Number(u16),
    /// The container port of this name, which may differ between pods.
    Name(Str),
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// Its name; Kubernetes lets a single port have none.
    pub name: Str,
    /// The port that clients use.
    pub port: u16,
    /// The port that workloads listen on.
    pub target_port: TargetPort,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// A further name of a service, made by a Kubernetes Service of type ExternalName.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias {
    /// The other name.
    pub hostname: Hostname,
    /// The namespace of the Service that makes it.
    pub namespace: Namespace,
}

/// What the mesh offers under one host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The full host name.
    pub hostname: Hostname,
    /// The name of the declaring object.
    pub name: Str,
    /// The namespace of the declaring object.
    pub namespace: Namespace,
    /// Virtual addresses, single ones as /32 or /128. Empty for headless services.
    pub addresses: Vec<IpNet>,
    /// Addresses of our own choice for a service that has none: one IPv4 (240.240.0.0/16) and one
    /// IPv6 (2001:2::/48). Used by proxies that capture DNS.
    pub auto_addresses: Vec<IpAddr>,
    /// The ports, by number. UDP ports are listed too; they are never proxied.
    pub ports: Vec<ServicePort>,
    /// How endpoints are found.
    pub resolution: Resolution,
    /// Whether the service is outside of the mesh (`MESH_EXTERNAL`).
    pub mesh_external: bool,
    /// Who may see it.
    pub visibility: Visibility,
    /// Labels of the declaring object.
    pub labels: Labels,
    /// Annotations of the declaring object that `translate` reads
    /// (`networking.istio.io/…`, `traffic.…`).
    pub annotations: BTreeMap<Str, Str>,
    /// Labels of the workloads behind it, if it selects any.
    pub selector: Option<Selector>,
    /// When the object was made, in seconds since 1970; 0 when unknown. Older services win.
    pub created: i64,
    /// Kubernetes Service or ServiceEntry.
    pub provider: Provider,
    /// For [`Resolution::Alias`]: the host name that it stands for.
    pub alias_of: Option<Hostname>,
    /// Services of type ExternalName that stand for this one.
    pub aliases: Vec<Alias>,
    /// Names that its certificates may carry besides the endpoints' identities
    /// (`subjectAltNames` of a ServiceEntry).
    pub subject_alt_names: Vec<Str>,
    /// `trafficDistribution` of a Kubernetes Service (`PreferClose`, `PreferSameNode`, …), or the
    /// annotation `networking.istio.io/traffic-distribution`.
    pub traffic_distribution: Option<Str>,
    /// Whether a Kubernetes Service has `clusterIP: None`.
    pub headless: bool,
    /// Addresses of the load balancer of a Kubernetes Service (from its status and
    /// `externalIPs`).
    pub external_addresses: Vec<IpAddr>,
}

impl Service {
    /// The service's identity.
    pub fn key(&self) -> ServiceKey {
        ServiceKey {
            hostname: self.hostname.clone(),
            namespace: self.namespace.clone(),
        }
    }

    /// The port with this number.
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.port == number)
    }

    /// The port with this name.
    pub fn port_named(&self, name: &str) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.name == *name)
    }

    /// The addresses as seen by a proxy: its own ones, else the chosen ones if the proxy answers
    /// DNS itself.
    pub fn addresses_for(&self, captures_dns: bool) -> Vec<IpNet> {
        if self.addresses.is_empty() && captures_dns {
            return self
                .auto_addresses
                .iter()
                .copied()
                .map(IpNet::from)
                .collect();
        }
        self.addresses.clone()
    }
}
