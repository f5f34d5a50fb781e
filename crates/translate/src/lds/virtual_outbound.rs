//! `virtualOutbound`: the one outbound listener that binds. Redirected connections arrive here and
//! are handed to the listener of their original destination; what no listener claims stays.

use ferromesh_model::{OutboundView, Scope, Snapshot};
use ferromesh_proto::envoy::config::core::v3::TrafficDirection;
use ferromesh_proto::envoy::config::listener::v3::{
    FilterChain, FilterChainMatch,
    listener::{
        ConnectionBalanceConfig,
        connection_balance_config::{BalanceType, ExactBalance},
    },
};

use super::listener;
use super::tcp_proxy::{self, ConnectionLimits};
use crate::unknown_traffic::UnknownTraffic;
use crate::value::{flag, number};
use crate::{Resource, access_log, names};

/// The listener.
pub(super) fn listener(snapshot: &Snapshot, view: &OutboundView, scope: &Scope) -> Resource {
    let mesh = snapshot.mesh();
    let port = mesh.proxy_listen_port;
    let forward = |cluster: &str| {
        let log = access_log::of_traffic(mesh);
        vec![tcp_proxy::to_cluster(
            cluster,
            &ConnectionLimits::default(),
            log,
        )]
    };
    // A connection that was really meant for this port would go round for ever.
    let loop_guard = FilterChain {
        name: "virtualOutbound-blackhole".to_owned(),
        filter_chain_match: Some(FilterChainMatch {
            destination_port: number(u32::from(port)),
            ..Default::default()
        }),
        filters: forward(names::BLACK_HOLE),
        ..Default::default()
    };
    let rest = FilterChain {
        name: "virtualOutbound-catchall-tcp".to_owned(),
        filters: forward(UnknownTraffic::of(snapshot, scope).cluster()),
        ..Default::default()
    };
    let mut built = listener::bound(
        names::VIRTUAL_OUTBOUND.to_owned(),
        super::wildcard(view.ip_family),
        port,
        TrafficDirection::Outbound,
    );
    built.use_original_dst = flag(true);
    built.filter_chains = vec![loop_guard, rest];
    built.access_log = access_log::of_listener(mesh);
    if view.settings.transparent {
        built.transparent = flag(true);
    }
    if view.settings.outbound_exact_balance {
        built.connection_balance_config = Some(exact_balance());
    }
    listener::finish(&built)
}

/// Connections are dealt out to workers one by one.
pub(super) fn exact_balance() -> ConnectionBalanceConfig {
    ConnectionBalanceConfig {
        balance_type: Some(BalanceType::ExactBalance(ExactBalance {})),
    }
}
