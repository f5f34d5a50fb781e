//! How a cluster finds its endpoints: from the control plane, by DNS, by the address that the client
//! asked for, or by the name in its request.

use ferromesh_model::{IpFamily, OutboundView, ProxyType, Snapshot};
use ferromesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{
        ClusterDiscoveryType, CustomClusterType, DiscoveryType, DnsLookupFamily, EdsClusterConfig,
        LbConfig, LbPolicy, OriginalDstLbConfig,
    },
};
use ferromesh_proto::envoy::config::core::v3::TypedExtensionConfig;
use ferromesh_proto::envoy::extensions::clusters::dynamic_forward_proxy::v3::{
    ClusterConfig, cluster_config::ClusterImplementationSpecifier,
};
use ferromesh_proto::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use ferromesh_proto::envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig;
use ferromesh_registry::{Provider, Resolution, Service, ServicePort, TargetPort};
use ferromesh_types::Hostname;

use crate::names;
use crate::value::{ads, any, duration, number};

/// DNS questions per UDP socket before a new one is opened, which spreads source ports.
const DNS_QUERIES_PER_SOCKET: u32 = 100;

/// Keeps proxies from asking for the same name at the same moment.
const DNS_JITTER: std::time::Duration = std::time::Duration::from_millis(100);

/// How endpoints are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discovery {
    /// By the control plane.
    Eds,
    /// By DNS, all answers.
    StrictDns,
    /// By DNS, one answer per connection.
    LogicalDns,
    /// The address that the client asked for.
    OriginalDestination,
    /// The name in the request or in the TLS hello.
    ByRequest,
}

impl Discovery {
    /// The discovery of a service; `None` if it has no cluster. A gateway has no original
    /// destination to follow, so it asks the control plane.
    pub(super) fn of(service: &Service, view: &OutboundView) -> Option<Self> {
        Some(match service.resolution {
            Resolution::ClientSideLb | Resolution::Static => Self::Eds,
            Resolution::Dns => Self::StrictDns,
            Resolution::DnsRoundRobin => Self::LogicalDns,
            Resolution::Passthrough if view.kind == ProxyType::Router => Self::Eds,
            Resolution::Passthrough => Self::OriginalDestination,
            Resolution::DynamicDns => Self::ByRequest,
            Resolution::Alias => return None,
        })
    }

    pub(super) fn is_dns(self) -> bool {
        matches!(self, Self::StrictDns | Self::LogicalDns)
    }
}

/// Sets the type of the cluster and what belongs to it.
pub(super) fn apply(
    cluster: &mut Cluster,
    discovery: Discovery,
    host: &Hostname,
    snapshot: &Snapshot,
    view: &OutboundView,
) {
    let known = |kind: DiscoveryType| ClusterDiscoveryType::Type(kind as i32);
    cluster.cluster_discovery_type = Some(match discovery {
        Discovery::Eds => known(DiscoveryType::Eds),
        Discovery::StrictDns => known(DiscoveryType::StrictDns),
        Discovery::LogicalDns => known(DiscoveryType::LogicalDns),
        Discovery::OriginalDestination => known(DiscoveryType::OriginalDst),
        Discovery::ByRequest => by_request(&names::dns_cache(host), view.ip_family, false),
    });
    cluster.eds_cluster_config = None;
    match discovery {
        Discovery::Eds => {
            cluster.eds_cluster_config = Some(EdsClusterConfig {
                eds_config: Some(ads()),
                service_name: cluster.name.clone(),
            });
        }
        Discovery::StrictDns | Discovery::LogicalDns => {
            cluster.dns_refresh_rate = Some(duration(snapshot.mesh().dns_refresh_rate.into()));
            cluster.dns_jitter = Some(duration(DNS_JITTER));
            cluster.respect_dns_ttl = true;
            cluster.dns_lookup_family = lookup_family(view.ip_family) as i32;
            cluster.typed_dns_resolver_config = Some(resolver());
        }
        Discovery::OriginalDestination => provide_endpoints(cluster),
        Discovery::ByRequest => {
            provide_endpoints(cluster);
            cluster.common_lb_config = None;
        }
    }
}

/// The cluster itself says which endpoint a connection is for.
fn provide_endpoints(cluster: &mut Cluster) {
    cluster.lb_policy = LbPolicy::ClusterProvided as i32;
    cluster.lb_config = None;
}

/// Endpoints are what the names of requests resolve to. `other_names`: server and certificate are
/// checked by something else than those names, which Envoy takes only where it is told so.
pub(super) fn by_request(cache: &str, family: IpFamily, other_names: bool) -> ClusterDiscoveryType {
    let config = ClusterConfig {
        allow_insecure_cluster_options: other_names,
        cluster_implementation_specifier: Some(ClusterImplementationSpecifier::DnsCacheConfig(
            dns_cache(cache, family),
        )),
        ..Default::default()
    };
    ClusterDiscoveryType::ClusterType(CustomClusterType {
        name: "envoy.clusters.dynamic_forward_proxy".to_owned(),
        typed_config: Some(any(&config)),
    })
}

/// A cache of resolved names. All who name one cache must describe it alike.
pub(crate) fn dns_cache(name: &str, family: IpFamily) -> DnsCacheConfig {
    DnsCacheConfig {
        name: name.to_owned(),
        dns_lookup_family: lookup_family(family) as i32,
        ..Default::default()
    }
}

/// The port at the destination, where a ServiceEntry without endpoints maps it.
pub(super) fn override_port(cluster: &mut Cluster, service: &Service, port: &ServicePort) {
    if service.provider != Provider::External {
        return;
    }
    if let TargetPort::Number(target) = port.target_port
        && target != port.port
    {
        cluster.lb_config = Some(LbConfig::OriginalDstLbConfig(OriginalDstLbConfig {
            upstream_port_override: number(u32::from(target)),
            ..Default::default()
        }));
    }
}

pub(super) fn lookup_family(family: IpFamily) -> DnsLookupFamily {
    match family {
        IpFamily::V4 => DnsLookupFamily::V4Only,
        IpFamily::V6 => DnsLookupFamily::V6Only,
        IpFamily::Dual => DnsLookupFamily::All,
    }
}

fn resolver() -> TypedExtensionConfig {
    TypedExtensionConfig {
        name: "envoy.network.dns_resolver.cares".to_owned(),
        typed_config: Some(any(&CaresDnsResolverConfig {
            udp_max_queries: number(DNS_QUERIES_PER_SOCKET),
            ..Default::default()
        })),
    }
}
