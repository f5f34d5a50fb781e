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

use ferromesh_model::{Dialect, GatewayView, InboundView, IpFamily, ListenerView, Snapshot};

use crate::Resource;

/// The outbound listeners of a sidecar.
pub fn outbound_listeners(snapshot: &Snapshot, view: &ListenerView) -> Vec<Resource> {
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

/// Whether a proxy of this dialect can listen there: ours does not on Unix sockets, as validation
/// says on the object.
fn can_bind(bind: &str, dialect: Dialect) -> bool {
    dialect != Dialect::Ferromesh || !bind.starts_with("unix://")
}

/// The address that only the pod itself reaches.
fn loopback(family: IpFamily) -> &'static str {
    if family.has_v4() { "127.0.0.1" } else { "::1" }
}

/// The address that stands for all addresses.
fn wildcard(family: IpFamily) -> &'static str {
    if family.has_v4() { "0.0.0.0" } else { "::" }
}
