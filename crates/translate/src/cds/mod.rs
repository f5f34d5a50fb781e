//! Clusters.
//!
//! In: the snapshot and an [`OutboundView`] or [`InboundView`]. Out: `Cluster` resources: one per
//! service port and subset, the fixed ones that listeners name, and the ports of the workload
//! itself.
//!
//! One file per concern: `policy` (which DestinationRule sections hold), `load_balancer`,
//! `connection_pool`, `outlier`, `client_tls`, `discovery` (how endpoints are found), `special`.

pub(crate) mod client_tls;
mod connection_pool;
pub(crate) mod discovery;
mod inbound;
pub(crate) mod load_balancer;
mod outbound;
mod outlier;
pub(crate) mod policy;
mod special;

use std::collections::BTreeSet;

use ferromesh_model::{InboundView, OutboundView, Snapshot};
use ferromesh_proto::envoy::config::cluster::v3::Cluster;
use ferromesh_types::Hostname;
use prost::Message;

use crate::Resource;
use crate::unknown_traffic::UnknownTraffic;
use crate::wire::{self, Metadata};

/// Field numbers of `envoy.config.cluster.v3.Cluster`.
mod field {
    pub(super) const METADATA: u32 = 25;
    pub(super) const LOAD_ASSIGNMENT: u32 = 33;
}

/// A cluster before it is encoded: what the generated message cannot hold in a fixed order stands
/// beside it.
#[derive(Debug, Default)]
struct Draft {
    message: Cluster,
    metadata: Option<Metadata>,
    endpoints: Option<crate::eds::assignment::Assignment>,
}

impl Draft {
    fn finish(self) -> Resource {
        let mut bytes = self.message.encode_to_vec();
        if let Some(metadata) = &self.metadata {
            wire::append(&mut bytes, field::METADATA, metadata);
        }
        if let Some(endpoints) = &self.endpoints {
            wire::append(&mut bytes, field::LOAD_ASSIGNMENT, endpoints);
        }
        Resource::new(self.message.name, bytes)
    }
}

/// All clusters that a proxy with this view may send to, the fixed ones included, by name.
pub fn clusters(snapshot: &Snapshot, view: &OutboundView) -> Vec<Resource> {
    let scope = snapshot.scope(view);
    let mut all = special::clusters(snapshot, view, &UnknownTraffic::of(snapshot, &scope));
    for service in scope.services() {
        all.extend(outbound::of_service(snapshot, view, service));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The clusters of the services with these host names, by name. What [`clusters`] gives for them.
pub fn clusters_of(
    snapshot: &Snapshot,
    view: &OutboundView,
    hosts: &BTreeSet<Hostname>,
) -> Vec<Resource> {
    let scope = snapshot.scope(view);
    let mut all: Vec<Resource> = hosts
        .iter()
        .filter_map(|host| scope.service(host))
        .flat_map(|service| outbound::of_service(snapshot, view, service))
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The clusters through which a sidecar reaches its own workload, by name.
pub fn inbound_clusters(snapshot: &Snapshot, view: &InboundView) -> Vec<Resource> {
    let mut all = inbound::clusters(snapshot, view);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
