//! Listeners.
//!
//! In: the snapshot and a [`ListenerView`], [`InboundView`] or [`GatewayView`]. Out: `Listener`
//! resources by name. Outbound, inbound and gateway listeners are apart, because they change for
//! different reasons and are shared by different proxies.

pub(crate) mod destinations;
mod distinct;
mod gateway;
mod http_manager;
mod inbound;
mod layer4;
mod listener;
mod listener_filter;
mod mtls_chain;
mod outbound;
mod server_tls;
mod tcp_proxy;
mod virtual_outbound;

use ferromesh_config::kind::sidecar::OutboundTrafficMode;
use ferromesh_model::{GatewayView, InboundView, IpFamily, ListenerView, Scope, Snapshot};

use crate::{Resource, names};

/// The outbound listeners of a sidecar.
pub fn outbound_listeners(snapshot: &Snapshot, view: &ListenerView) -> Vec<Resource> {
    if view.outbound.settings.no_interception {
        return Vec::new();
    }
    outbound::listeners(snapshot, view)
}

/// The inbound listener of a sidecar.
pub fn inbound_listeners(snapshot: &Snapshot, view: &InboundView) -> Vec<Resource> {
    inbound::listeners(snapshot, view)
}

/// The listeners of a gateway.
pub fn gateway_listeners(snapshot: &Snapshot, view: &GatewayView) -> Vec<Resource> {
    gateway::listeners(snapshot, view)
}

/// The address that stands for all addresses.
fn wildcard(family: IpFamily) -> &'static str {
    if family.has_v4() { "0.0.0.0" } else { "::" }
}

/// What happens to traffic for unknown destinations: as the Sidecar says, else the mesh.
pub(crate) fn outbound_mode(snapshot: &Snapshot, scope: &Scope) -> OutboundTrafficMode {
    scope
        .sidecar
        .as_ref()
        .and_then(|sidecar| sidecar.spec.outbound_traffic_policy.as_ref())
        .map_or(snapshot.mesh().outbound_traffic_policy.mode, |policy| {
            policy.mode
        })
}

/// The cluster for connections to unknown destinations.
fn unknown_destination(mode: OutboundTrafficMode) -> &'static str {
    match mode {
        OutboundTrafficMode::RegistryOnly => names::BLACK_HOLE,
        OutboundTrafficMode::AllowAny | OutboundTrafficMode::AllowAnyDynamicDns => {
            names::PASSTHROUGH
        }
    }
}
