//! The TCP proxy filter: bytes to one cluster, or to several by weight.

use std::time::Duration;

use ferromesh_proto::envoy::config::accesslog::v3::AccessLog;
use ferromesh_proto::envoy::config::listener::v3::{Filter, filter::ConfigType};
use ferromesh_proto::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use ferromesh_proto::envoy::extensions::filters::network::sni_dynamic_forward_proxy::v3::{
    FilterConfig as SniResolution, filter_config::PortSpecifier,
};
use ferromesh_proto::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy,
    tcp_proxy::{
        ClusterSpecifier, TunnelingConfig, WeightedCluster, weighted_cluster::ClusterWeight,
    },
};
use ferromesh_proto::envoy::r#type::v3::{
    HashPolicy,
    hash_policy::{PolicySpecifier, SourceIp},
};

use crate::value::{any, duration};

/// How long connections may be idle and live, and how they are spread.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionLimits {
    /// Closes a connection that carried nothing for so long.
    pub(crate) idle: Option<Duration>,
    /// Closes a connection that is so old.
    pub(crate) lifetime: Option<Duration>,
    /// Hashes the client's address, for consistent hashing.
    pub(crate) hash_source_ip: bool,
    /// Wraps the bytes into a request.
    pub(crate) tunnel: Option<Tunnel>,
    /// The cache that resolves server names, where the destination is any host of a domain.
    pub(crate) resolves: Option<DnsCacheConfig>,
}

/// A request that carries the bytes of a connection through an HTTP proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tunnel {
    /// Where the proxy is to connect to: `host:port`.
    pub(crate) target: String,
    /// Whether it is a POST instead of a CONNECT.
    pub(crate) posts: bool,
}

/// Finds the endpoint by the server name, ahead of the TCP proxy.
pub(crate) fn resolve_server_name(cache: DnsCacheConfig, port: u16) -> Filter {
    let config = SniResolution {
        dns_cache_config: Some(cache),
        port_specifier: Some(PortSpecifier::PortValue(u32::from(port))),
        ..Default::default()
    };
    Filter {
        name: "envoy.extensions.filters.network.sni_dynamic_forward_proxy".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&config))),
    }
}

/// Everything to `cluster`.
pub(crate) fn to_cluster(
    cluster: &str,
    limits: &ConnectionLimits,
    access_log: Vec<AccessLog>,
) -> Filter {
    let target = ClusterSpecifier::Cluster(cluster.to_owned());
    filter(cluster.to_owned(), target, limits, access_log)
}

/// Each connection to one of `clusters`, by weight.
pub(crate) fn to_clusters(
    stat_prefix: String,
    clusters: Vec<(String, u32)>,
    limits: &ConnectionLimits,
    access_log: Vec<AccessLog>,
) -> Filter {
    let clusters = clusters
        .into_iter()
        .map(|(name, weight)| ClusterWeight {
            name,
            weight,
            ..Default::default()
        })
        .collect();
    let target = ClusterSpecifier::WeightedClusters(WeightedCluster { clusters });
    filter(stat_prefix, target, limits, access_log)
}

fn filter(
    stat_prefix: String,
    target: ClusterSpecifier,
    limits: &ConnectionLimits,
    access_log: Vec<AccessLog>,
) -> Filter {
    let hash_policy = limits.hash_source_ip.then_some(HashPolicy {
        policy_specifier: Some(PolicySpecifier::SourceIp(SourceIp {})),
    });
    let tunnel = limits.tunnel.as_ref().map(|tunnel| TunnelingConfig {
        hostname: tunnel.target.clone(),
        use_post: tunnel.posts,
        ..Default::default()
    });
    let proxy = TcpProxy {
        tunneling_config: tunnel,
        stat_prefix,
        idle_timeout: limits.idle.map(duration),
        max_downstream_connection_duration: limits.lifetime.map(duration),
        hash_policy: hash_policy.into_iter().collect(),
        access_log,
        cluster_specifier: Some(target),
        ..Default::default()
    };
    Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&proxy))),
    }
}
