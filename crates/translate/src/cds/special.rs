//! The fixed clusters that listeners name: through, and nowhere.

use std::time::Duration;

use ferromesh_model::{IpFamily, OutboundView, ProxyType, Snapshot};
use ferromesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, DiscoveryType, LbPolicy},
};
use ferromesh_proto::envoy::config::core::v3::BindConfig;
use prost::Message;

use super::{connection_pool, discovery};
use crate::unknown_traffic::UnknownTraffic;
use crate::value::{duration, socket};
use crate::{Resource, names};

/// Idle connections of a passed-through destination are closed soon, since each destination is a
/// host of its own.
const PASSTHROUGH_IDLE: Duration = Duration::from_mins(5);

/// What is known about the names of requests to unknown hosts.
const DYNAMIC_DNS_CACHE: &str = "allow_any_dynamic_dns_cache";

/// The source address of connections to the own workload. Redirection knows it and lets it pass.
const INBOUND_SOURCE_V4: &str = "127.0.0.6";
const INBOUND_SOURCE_V6: &str = "::6";

/// The fixed clusters of a proxy of this kind.
pub(super) fn clusters(
    snapshot: &Snapshot,
    view: &OutboundView,
    unknown: &UnknownTraffic,
) -> Vec<Resource> {
    let timeout: Duration = snapshot.mesh().connect_timeout.into();
    let mut all = vec![black_hole(timeout)];
    if view.kind == ProxyType::Sidecar {
        all.push(passthrough(timeout));
        all.push(Cluster {
            name: names::INBOUND_PASSTHROUGH.to_owned(),
            upstream_bind_config: Some(inbound_source(view.ip_family)),
            ..passthrough(timeout)
        });
        if *unknown == UnknownTraffic::Resolved {
            all.push(dynamic_dns(timeout, view.ip_family));
        }
    }
    all.into_iter()
        .map(|cluster| Resource::new(cluster.name.as_str(), cluster.encode_to_vec()))
        .collect()
}

fn black_hole(timeout: Duration) -> Cluster {
    Cluster {
        name: names::BLACK_HOLE.to_owned(),
        alt_stat_name: names::stat_prefix(names::BLACK_HOLE),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static as i32)),
        connect_timeout: Some(duration(timeout)),
        lb_policy: LbPolicy::RoundRobin as i32,
        ..Default::default()
    }
}

fn passthrough(timeout: Duration) -> Cluster {
    let mut cluster = Cluster {
        name: names::PASSTHROUGH.to_owned(),
        alt_stat_name: names::stat_prefix(names::PASSTHROUGH),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(
            DiscoveryType::OriginalDst as i32,
        )),
        connect_timeout: Some(duration(timeout)),
        lb_policy: LbPolicy::ClusterProvided as i32,
        circuit_breakers: Some(connection_pool::unlimited()),
        ..Default::default()
    };
    connection_pool::set_passthrough_options(&mut cluster, PASSTHROUGH_IDLE);
    cluster
}

/// Resolves the host of each request.
fn dynamic_dns(timeout: Duration, family: IpFamily) -> Cluster {
    Cluster {
        name: names::DYNAMIC_DNS.to_owned(),
        alt_stat_name: names::stat_prefix(names::DYNAMIC_DNS),
        cluster_discovery_type: Some(discovery::by_request(DYNAMIC_DNS_CACHE, family, false)),
        connect_timeout: Some(duration(timeout)),
        lb_policy: LbPolicy::ClusterProvided as i32,
        circuit_breakers: Some(connection_pool::unlimited()),
        ..Default::default()
    }
}

/// The source address by which redirection tells the sidecar's own connections.
pub(super) fn inbound_source(family: IpFamily) -> BindConfig {
    let source = if family.has_v4() {
        INBOUND_SOURCE_V4
    } else {
        INBOUND_SOURCE_V6
    };
    BindConfig {
        source_address: Some(socket(source, 0)),
        ..Default::default()
    }
}
