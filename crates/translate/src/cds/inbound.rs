//! The clusters through which a sidecar reaches its own workload, one per port.
//!
//! Of the rule for the own service only the limits of connections count here: balancing, TLS and
//! ejection are the client's business.

use std::collections::BTreeMap;
use std::time::Duration;

use ferromesh_config::mesh::InboundTrafficMode;
use ferromesh_model::{InboundPort, InboundView, Snapshot};
use ferromesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, CommonLbConfig, DiscoveryType, LbPolicy},
};
use ferromesh_types::Labels;

use super::connection_pool::{self, UpstreamProtocol};
use super::policy::Policy;
use super::{Draft, special};
use crate::eds::assignment::{Assignment, Group, Member};
use crate::value::{address, duration, number};
use crate::wire::{self, Metadata};
use crate::{Resource, names};

/// The host of an original destination is forgotten after this time without connections; for the
/// own workload never (the longest duration that Envoy takes).
const NEVER: Duration = Duration::from_secs(9_223_372_035);

/// One cluster per port that the workload listens on.
pub(super) fn clusters(snapshot: &Snapshot, view: &InboundView) -> Vec<Resource> {
    by_target_port(view)
        .into_iter()
        .map(|ports| cluster(snapshot, view, &ports))
        .collect()
}

/// The services behind each port of the workload, the oldest first.
fn by_target_port(view: &InboundView) -> Vec<Vec<&InboundPort>> {
    let mut all: BTreeMap<u16, Vec<&InboundPort>> = BTreeMap::new();
    for port in &view.ports {
        all.entry(port.target_port).or_default().push(port);
    }
    all.into_values().collect()
}

fn cluster(snapshot: &Snapshot, view: &InboundView, ports: &[&InboundPort]) -> Resource {
    let first = ports[0];
    let name = names::inbound_cluster(first.target_port);
    let mut draft = Draft {
        message: Cluster {
            alt_stat_name: names::stat_prefix(&name),
            common_lb_config: Some(CommonLbConfig::default()),
            name,
            ..Default::default()
        },
        metadata: Some(metadata(ports)),
        endpoints: None,
    };
    reach_workload(&mut draft, snapshot, view, first.target_port);
    limit(&mut draft.message, snapshot, view, first);
    draft.finish()
}

/// Where the workload is: at the address that the client asked for, or at the loopback address.
fn reach_workload(draft: &mut Draft, snapshot: &Snapshot, view: &InboundView, port: u16) {
    let cluster = &mut draft.message;
    let (kind, policy) = match snapshot.mesh().inbound_traffic_policy.mode {
        InboundTrafficMode::Passthrough => (DiscoveryType::OriginalDst, LbPolicy::ClusterProvided),
        InboundTrafficMode::Localhost => (DiscoveryType::Static, LbPolicy::RoundRobin),
    };
    cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind as i32));
    cluster.lb_policy = policy as i32;
    if kind == DiscoveryType::OriginalDst {
        cluster.cleanup_interval = Some(duration(NEVER));
        cluster.upstream_bind_config = Some(special::inbound_source(view.ip_family));
    } else {
        let host = if view.ip_family.has_v4() {
            "127.0.0.1"
        } else {
            "::1"
        };
        draft.endpoints = Some(single(&cluster.name, host, port));
    }
}

fn single(cluster: &str, host: &str, port: u16) -> Assignment {
    use ferromesh_proto::envoy::config::endpoint::v3::Endpoint;
    let member = Member {
        host: Some(Endpoint {
            address: Some(address(host, port)),
            ..Default::default()
        }),
        ..Default::default()
    };
    Assignment {
        cluster_name: cluster.to_owned(),
        groups: vec![Group {
            members: vec![member],
            weight: number(1),
            ..Default::default()
        }],
    }
}

fn limit(cluster: &mut Cluster, snapshot: &Snapshot, view: &InboundView, port: &InboundPort) {
    let mesh = snapshot.mesh();
    let rule = snapshot.destination_rules().lookup(
        Some(&view.namespace),
        &Labels::default(),
        snapshot.root_namespace(),
        &port.hostname,
        &port.namespace,
    );
    let sidecar = view
        .sidecar
        .as_ref()
        .and_then(|key| snapshot.sidecars().by_key(key));
    let rule_policy = rule.and_then(|rule| rule.spec.traffic_policy.as_ref());
    let policy = Policy::of(rule_policy, None, port.port.port);
    let pool = sidecar
        .and_then(|sidecar| sidecar.spec.inbound_connection_pool.as_ref())
        .or(policy.connection_pool);
    connection_pool::apply(
        cluster,
        pool,
        None,
        mesh.connect_timeout.into(),
        mesh.tcp_keepalive.as_ref(),
    );
    let protocol = UpstreamProtocol::of(port.port.protocol, pool, false, true);
    connection_pool::set_http_options(cluster, protocol, pool, None);
}

/// The services that are meant by requests to the port, for telemetry.
fn metadata(ports: &[&InboundPort]) -> Metadata {
    let services = ports
        .iter()
        .map(|port| {
            let host = port.hostname.as_str();
            wire::nested(wire::structure([
                ("host", wire::text(host)),
                ("name", wire::text(host.split('.').next().unwrap_or(host))),
                ("namespace", wire::text(port.namespace.as_str())),
            ]))
        })
        .collect();
    Metadata::of(
        "istio",
        wire::structure([("services", wire::list(services))]),
    )
}
