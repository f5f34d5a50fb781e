//! An endpoint: one port of one workload, as a member of one service.

use std::fmt;
use std::net::IpAddr;

use ferromesh_types::{ClusterId, Labels, Locality, Namespace, NetworkId, Str};

/// Where an endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointAddress {
    /// An IP address.
    Ip(IpAddr),
    /// A name that the client's proxy resolves.
    Hostname(Str),
    /// The path of a Unix socket, without the `unix://` prefix.
    Unix(Str),
}

impl EndpointAddress {
    /// Reads the `address` of a ServiceEntry endpoint or a WorkloadEntry.
    pub fn parse(text: &str) -> Self {
        if let Some(path) = text.strip_prefix("unix://") {
            return Self::Unix(path.into());
        }
        match text.parse() {
            Ok(ip) => Self::Ip(ip),
            Err(_) => Self::Hostname(text.into()),
        }
    }

    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Hostname(_) | Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Hostname(name) => name.fmt(f),
            Self::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

/// Whether an endpoint may get traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// Ready.
    #[default]
    Healthy,
    /// Not ready (yet). Its own proxy still needs the inbound side of the service.
    Unhealthy,
    /// Going away; still serving what it holds.
    Terminating,
}

/// One port of one workload, as a member of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: EndpointAddress,
    /// Further addresses of the same workload, of the other IP family.
    pub additional_addresses: Vec<IpAddr>,
    /// The port that the workload listens on; 0 for a Unix socket.
    pub port: u16,
    /// The name of the service port that this is the target of.
    pub service_port: Str,
    /// Labels of the workload.
    pub labels: Labels,
    /// Namespace of the workload.
    pub namespace: Namespace,
    /// The Kubernetes service account; empty when unknown.
    pub service_account: Str,
    /// The SPIFFE ID as text (`spiffe://cluster.local/ns/a/sa/b`); empty without service account.
    pub identity: Str,
    /// The name of what owns the workload (its Deployment), else the workload's own name.
    pub workload_name: Str,
    /// Region, zone and sub-zone.
    pub locality: Locality,
    /// The Kubernetes node; empty when unknown.
    pub node: Str,
    /// Relative share of the traffic; at least 1.
    pub weight: u32,
    /// The network that the address belongs to.
    pub network: NetworkId,
    /// The cluster that the workload was found in.
    pub cluster: ClusterId,
    /// Whether the workload's proxy accepts Istio mutual TLS.
    pub istio_mtls: bool,
    /// Whether it may get traffic.
    pub health: Health,
    /// The pod's own host name under a headless service; empty if it has none.
    pub hostname: Str,
    /// The pod's `subdomain`; empty if it has none.
    pub subdomain: Str,
}

/// All endpoints of one service, over all its ports, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceEndpoints {
    /// The endpoints, those that are not healthy included.
    pub endpoints: Vec<Endpoint>,
    /// The identities of the endpoints, sorted, each once.
    pub identities: Vec<Str>,
}

impl ServiceEndpoints {
    /// Sorts the endpoints, drops repeated ones and collects their identities.
    pub fn new(mut endpoints: Vec<Endpoint>) -> Self {
        endpoints.sort_by(|a, b| {
            (&a.address, a.port, &a.service_port, &a.labels).cmp(&(
                &b.address,
                b.port,
                &b.service_port,
                &b.labels,
            ))
        });
        endpoints.dedup();
        let mut identities: Vec<Str> = endpoints
            .iter()
            .map(|e| e.identity.clone())
            .filter(|i| !i.is_empty())
            .collect();
        identities.sort();
        identities.dedup();
        Self {
            endpoints,
            identities,
        }
    }

    /// The endpoints that stand behind the service port of this name.
    pub fn of_port<'a>(&'a self, port_name: &'a str) -> impl Iterator<Item = &'a Endpoint> {
        self.endpoints
            .iter()
            .filter(move |endpoint| endpoint.service_port == *port_name)
    }

    /// Whether there is an endpoint and every one accepts Istio mutual TLS.
    pub fn all_accept_mtls(&self) -> bool {
        !self.endpoints.is_empty() && self.endpoints.iter().all(|e| e.istio_mtls)
    }
}
