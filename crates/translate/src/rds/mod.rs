//! Routes: `RouteConfiguration` resources.
//!
//! In: the snapshot, a [`RouteView`] or [`GatewayView`], names of tables. Out: one table per name.
//! `route` makes the routes of a VirtualService; `virtual_host` puts tables together; `outbound`
//! and `gateway` decide which hosts are in a table.

mod action;
mod domains;
mod gateway;
mod headers;
pub(crate) mod inbound;
mod outbound;
mod retry;
mod route;
mod route_match;
pub(crate) mod scope;
mod virtual_host;

use ferromesh_model::{GatewayView, RouteView, Snapshot};
use ferromesh_types::Str;

use crate::Resource;

/// The route tables of a sidecar with these names.
pub fn sidecar_routes(snapshot: &Snapshot, view: &RouteView, names: &[Str]) -> Vec<Resource> {
    names
        .iter()
        .map(|name| outbound::route_table(snapshot, view, name))
        .collect()
}

/// The route tables of a gateway with these names.
pub fn gateway_routes(snapshot: &Snapshot, view: &GatewayView, names: &[Str]) -> Vec<Resource> {
    names
        .iter()
        .map(|name| gateway::route_table(snapshot, view, name))
        .collect()
}
