//! A connected proxy, as it describes itself in its xDS node.

use std::net::IpAddr;

use ferromesh_types::{ClusterId, Labels, Locality, Namespace, NetworkId, Str};

/// What a proxy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyType {
    /// Beside a workload.
    Sidecar,
    /// A gateway.
    Router,
}

/// Which extensions a proxy knows: a stock Envoy refuses a listener that names another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Envoy as upstream builds it. The safest assumption.
    #[default]
    StockEnvoy,
    /// Istio's build of Envoy (`istio.stats`, `istio.alpn`, metadata exchange).
    Istio,
    /// Our own proxy.
    Ferromesh,
}

/// The metadata keys that say what a proxy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// `FERROMESH_VERSION` is there.
    pub ferromesh_version: bool,
    /// `ISTIO_VERSION` is there.
    pub istio_version: bool,
    /// `FERROMESH_STOCK_ENVOY` is `"true"`: our agent runs an Envoy as upstream builds it.
    pub stock_envoy: bool,
}

impl Capabilities {
    /// What follows from the keys. Who says nothing is taken for a stock Envoy.
    pub fn dialect(self) -> Dialect {
        match self {
            Self {
                stock_envoy: true, ..
            } => Dialect::StockEnvoy,
            Self {
                ferromesh_version: true,
                ..
            } => Dialect::Ferromesh,
            Self {
                istio_version: true,
                ..
            } => Dialect::Istio,
            _ => Dialect::StockEnvoy,
        }
    }
}

/// The IP families of a proxy's own addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpFamily {
    /// IPv4 only; also when a proxy names no address.
    #[default]
    V4,
    /// IPv6 only.
    V6,
    /// Both.
    Dual,
}

impl IpFamily {
    /// The family, or families, of `addresses`.
    pub fn of(addresses: &[IpAddr]) -> Self {
        let v4 = addresses.iter().any(IpAddr::is_ipv4);
        let v6 = addresses.iter().any(IpAddr::is_ipv6);
        match (v4, v6) {
            (true, true) => Self::Dual,
            (false, true) => Self::V6,
            _ => Self::V4,
        }
    }

    /// Whether the proxy can reach IPv4 addresses.
    pub fn has_v4(self) -> bool {
        self != Self::V6
    }

    /// Whether the proxy can reach IPv6 addresses.
    pub fn has_v6(self) -> bool {
        self != Self::V4
    }

    /// Whether the proxy can reach this address.
    pub fn reaches(self, address: IpAddr) -> bool {
        if address.is_ipv4() {
            self.has_v4()
        } else {
            self.has_v6()
        }
    }
}

/// The four parts of a node id, `type~ip~pod.namespace~namespace.svc.domain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyId {
    /// Sidecar or gateway.
    pub kind: ProxyType,
    /// The proxy's address.
    pub address: IpAddr,
    /// `pod.namespace`.
    pub workload: Str,
    /// `namespace.svc.cluster.local`.
    pub dns_domain: Str,
}

/// Why a node id cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyIdError {
    /// Not four parts.
    #[error(
        "node id {0:?} is not of the form type~address~name.namespace~domain; \
         set --service-node of the proxy"
    )]
    Parts(String),
    /// A type that this control plane does not serve.
    #[error("node id {id:?} has the type {kind:?}; this version serves sidecar and router")]
    Type {
        /// The whole id.
        id: String,
        /// The type in it.
        kind: String,
    },
    /// The second part is not an IP address.
    #[error("node id {0:?} has no valid IP address in its second part")]
    Address(String),
}

impl ProxyId {
    /// Reads a node id.
    pub fn parse(id: &str) -> Result<Self, ProxyIdError> {
        let parts: Vec<&str> = id.split('~').collect();
        let [kind, address, workload, dns_domain] = parts[..] else {
            return Err(ProxyIdError::Parts(id.to_owned()));
        };
        let kind = match kind {
            "sidecar" => ProxyType::Sidecar,
            "router" => ProxyType::Router,
            other => {
                return Err(ProxyIdError::Type {
                    id: id.to_owned(),
                    kind: other.to_owned(),
                });
            }
        };
        let address = address
            .parse()
            .map_err(|_| ProxyIdError::Address(id.to_owned()))?;
        Ok(Self {
            kind,
            address,
            workload: workload.into(),
            dns_domain: dns_domain.into(),
        })
    }

    /// The namespace after the dot of the workload part, if there is one.
    pub fn namespace(&self) -> Option<Namespace> {
        self.workload
            .rsplit_once('.')
            .map(|(_, namespace)| Namespace::from(namespace))
    }
}

/// A connected proxy. The xDS server fills this from the node's id and metadata; fields that the
/// node leaves out stay at their default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// The whole node id, as text.
    pub id: Str,
    /// Sidecar or gateway.
    pub kind: ProxyType,
    /// All its addresses, the one of the id first (`INSTANCE_IPS`).
    pub addresses: Vec<IpAddr>,
    /// `NAMESPACE`, else from the id.
    pub namespace: Namespace,
    /// `namespace.svc.cluster.local`, from the id.
    pub dns_domain: Str,
    /// `LABELS`. The labels of the pod, where the registry knows it, win.
    pub labels: Labels,
    /// `CLUSTER_ID`.
    pub cluster: ClusterId,
    /// `NETWORK`.
    pub network: NetworkId,
    /// The node's `locality`. Where it is empty, the registry's is used.
    pub locality: Locality,
    /// `SERVICE_ACCOUNT`.
    pub service_account: Str,
    /// `WORKLOAD_NAME`.
    pub workload_name: Str,
    /// What it understands.
    pub dialect: Dialect,
    /// The metadata that changes listeners.
    pub settings: crate::ProxySettings,
}

impl Proxy {
    /// A proxy with nothing but what its node id says.
    pub fn from_id(id: &str) -> Result<Self, ProxyIdError> {
        let parsed = ProxyId::parse(id)?;
        Ok(Self {
            id: id.into(),
            kind: parsed.kind,
            addresses: vec![parsed.address],
            namespace: parsed.namespace().unwrap_or_default(),
            dns_domain: parsed.dns_domain,
            labels: Labels::default(),
            cluster: ClusterId::default(),
            network: NetworkId::default(),
            locality: Locality::default(),
            service_account: Str::default(),
            workload_name: Str::default(),
            dialect: Dialect::default(),
            settings: crate::ProxySettings::default(),
        })
    }

    /// The IP families that it can use.
    pub fn ip_family(&self) -> IpFamily {
        IpFamily::of(&self.addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_id_names_type_address_workload_and_domain() {
        let proxy = Proxy::from_id("sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local")
            .expect("a valid id");
        assert_eq!(proxy.kind, ProxyType::Sidecar);
        assert_eq!(proxy.namespace, "shop");
        assert_eq!(proxy.dns_domain, "shop.svc.cluster.local");
        assert_eq!(
            proxy.addresses,
            ["10.1.2.3".parse::<IpAddr>().expect("an address")]
        );
    }

    #[test]
    fn a_bad_node_id_says_what_is_wrong_with_it() {
        for (id, part) in [
            ("sidecar~10.1.2.3~web", "form type~address"),
            ("ztunnel~10.1.2.3~a.b~c", "\"ztunnel\""),
            ("router~nowhere~a.b~c", "IP address"),
        ] {
            let error = ProxyId::parse(id).expect_err("a bad id").to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn who_says_nothing_is_a_stock_envoy() {
        let dialect = |ferromesh_version, istio_version, stock_envoy| {
            Capabilities {
                ferromesh_version,
                istio_version,
                stock_envoy,
            }
            .dialect()
        };
        assert_eq!(dialect(false, false, false), Dialect::StockEnvoy);
        assert_eq!(dialect(true, true, true), Dialect::StockEnvoy);
        assert_eq!(dialect(true, true, false), Dialect::Ferromesh);
        assert_eq!(dialect(false, true, false), Dialect::Istio);
    }
}
