//! The TCP proxy filter: bytes to one cluster, or to several by weight.

use std::time::Duration;

use ferromesh_proto::envoy::config::accesslog::v3::AccessLog;
use ferromesh_proto::envoy::config::listener::v3::{Filter, filter::ConfigType};
use ferromesh_proto::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy,
    tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight},
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
    let proxy = TcpProxy {
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
