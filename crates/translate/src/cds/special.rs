//! The fixed clusters that listeners name: through, and nowhere.

use std::time::Duration;

use ferromesh_config::kind::sidecar::OutboundTrafficMode;
use ferromesh_model::{IpFamily, OutboundView, ProxyType, Snapshot};
use ferromesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, CustomClusterType, DiscoveryType, LbPolicy},
};
use ferromesh_proto::envoy::config::core::v3::BindConfig;
use ferromesh_proto::envoy::extensions::clusters::dynamic_forward_proxy::v3::{
    ClusterConfig, cluster_config::ClusterImplementationSpecifier,
};
use ferromesh_proto::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use prost::Message;

use super::{connection_pool, discovery};
use crate::value::{any, duration, socket};
use crate::{Resource, names};

/// Idle connections of a passed-through destination are closed soon, since each destination is a
/// host of its own.
const PASSTHROUGH_IDLE: Duration = Duration::from_mins(5);

/// The source address of connections to the own workload. Redirection knows it and lets it pass.
const INBOUND_SOURCE_V4: &str = "127.0.0.6";
const INBOUND_SOURCE_V6: &str = "::6";

/// The fixed clusters of a proxy of this kind.
pub(super) fn clusters(
    snapshot: &Snapshot,
    view: &OutboundView,
    mode: OutboundTrafficMode,
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
        if mode == OutboundTrafficMode::AllowAnyDynamicDns && super::resolves_any(view) {
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
    let config = ClusterConfig {
        cluster_implementation_specifier: Some(ClusterImplementationSpecifier::DnsCacheConfig(
            DnsCacheConfig {
                name: "allow_any_dynamic_dns_cache".to_owned(),
                dns_lookup_family: discovery::lookup_family(family) as i32,
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    Cluster {
        name: names::DYNAMIC_DNS.to_owned(),
        alt_stat_name: names::stat_prefix(names::DYNAMIC_DNS),
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(CustomClusterType {
            name: "envoy.clusters.dynamic_forward_proxy".to_owned(),
            typed_config: Some(any(&config)),
        })),
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
