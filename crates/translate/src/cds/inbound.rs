//! The clusters through which a sidecar reaches its own workload, one per port.
//!
//! Of the rule for the own service only the limits of connections count here: balancing, TLS and
//! ejection are the client's business.

use std::time::Duration;

use ferromesh_config::mesh::InboundTrafficMode;
use ferromesh_model::{InboundPort, InboundView, IpFamily, Snapshot};
use ferromesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, CommonLbConfig, DiscoveryType, LbPolicy},
};
use ferromesh_proto::envoy::config::core::v3::Address;
use ferromesh_proto::envoy::config::endpoint::v3::Endpoint;
use ferromesh_types::Labels;

use super::connection_pool::{self, UpstreamProtocol};
use super::policy::Policy;
use super::{Draft, special};
use crate::eds::assignment::{Assignment, Group, Member};
use crate::received::{ReceivedPort, WorkloadPlace, received_ports, sidecar};
use crate::value::{address, duration, number, pipe};
use crate::wire::{self, Metadata};
use crate::{Resource, names};

/// The host of an original destination is forgotten after this time without connections; for the
/// own workload never (the longest duration that Envoy takes).
const NEVER: Duration = Duration::from_secs(9_223_372_035);

/// One cluster per port that the workload receives traffic for.
pub(super) fn clusters(snapshot: &Snapshot, view: &InboundView) -> Vec<Resource> {
    received_ports(snapshot, view)
        .iter()
        .map(|port| cluster(snapshot, view, port))
        .collect()
}

fn cluster(snapshot: &Snapshot, view: &InboundView, port: &ReceivedPort<'_>) -> Resource {
    let name = names::inbound_cluster(port.port);
    let mut draft = Draft {
        message: Cluster {
            alt_stat_name: names::stat_prefix(&name),
            common_lb_config: Some(CommonLbConfig::default()),
            name,
            ..Default::default()
        },
        metadata: (!port.services.is_empty()).then(|| metadata(&port.services)),
        endpoints: None,
    };
    let place = port
        .place(view)
        .unwrap_or_else(|| usual_place(snapshot, view, port.port));
    reach_workload(&mut draft, view.ip_family, &place);
    if port.ingress.is_none()
        && let Some(group) = draft
            .endpoints
            .as_mut()
            .and_then(|all| all.groups.first_mut())
    {
        group.weight = number(1);
    }
    limit(&mut draft.message, snapshot, view, port);
    draft.finish()
}

/// Where the workload is when no Sidecar says so: at the address that the client asked for, or at
/// the loopback address.
fn usual_place(snapshot: &Snapshot, view: &InboundView, port: u16) -> WorkloadPlace {
    match snapshot.mesh().inbound_traffic_policy.mode {
        InboundTrafficMode::Passthrough => WorkloadPlace::Asked,
        InboundTrafficMode::Localhost => {
            let host = if view.ip_family.has_v4() {
                "127.0.0.1"
            } else {
                "::1"
            };
            WorkloadPlace::Loopback(host.to_owned(), port)
        }
    }
}

fn reach_workload(draft: &mut Draft, family: IpFamily, place: &WorkloadPlace) {
    let cluster = &mut draft.message;
    let address = match place {
        WorkloadPlace::Asked => {
            let kind = DiscoveryType::OriginalDst as i32;
            cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind));
            cluster.lb_policy = LbPolicy::ClusterProvided as i32;
            cluster.cleanup_interval = Some(duration(NEVER));
            cluster.upstream_bind_config = Some(special::inbound_source(family));
            return;
        }
        WorkloadPlace::Loopback(host, port) => address(host, *port),
        WorkloadPlace::Own(host, port) => {
            cluster.upstream_bind_config = Some(special::inbound_source(family));
            address(host, *port)
        }
        WorkloadPlace::Socket(path) => {
            cluster.upstream_bind_config = Some(special::inbound_source(family));
            pipe(path)
        }
    };
    let kind = DiscoveryType::Static as i32;
    cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind));
    cluster.lb_policy = LbPolicy::RoundRobin as i32;
    draft.endpoints = Some(single(&cluster.name, address));
}

fn single(cluster: &str, address: Address) -> Assignment {
    let member = Member {
        host: Some(Endpoint {
            address: Some(address),
            ..Default::default()
        }),
        ..Default::default()
    };
    Assignment {
        cluster_name: cluster.to_owned(),
        groups: vec![Group {
            members: vec![member],
            ..Default::default()
        }],
    }
}

fn limit(cluster: &mut Cluster, snapshot: &Snapshot, view: &InboundView, port: &ReceivedPort<'_>) {
    let mesh = snapshot.mesh();
    let rule = port.services.first().and_then(|service| {
        snapshot.destination_rules().lookup(
            Some(&view.namespace),
            &Labels::default(),
            snapshot.root_namespace(),
            &service.hostname,
            &service.namespace,
        )
    });
    let rule_policy = rule.and_then(|rule| rule.spec.traffic_policy.as_ref());
    let policy = Policy::of(rule_policy, None, port.client_port());
    // The narrowest setting counts as a whole: listener, Sidecar, rule.
    let pool = port
        .ingress
        .and_then(|ingress| ingress.connection_pool.as_ref())
        .or_else(|| sidecar(snapshot, view)?.inbound_connection_pool.as_ref())
        .or(policy.connection_pool);
    connection_pool::apply(
        cluster,
        pool,
        None,
        mesh.connect_timeout.into(),
        mesh.tcp_keepalive.as_ref(),
    );
    let protocol = UpstreamProtocol::of(port.protocol, pool, false, true);
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
