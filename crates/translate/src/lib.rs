//! The mesh as Envoy resources.
//!
//! In: a [`Snapshot`] and one of the views of a proxy. Out: encoded [`Resource`]s, in a fixed order,
//! equal for equal inputs. Nothing here does I/O, reads a clock or keeps state, so a view is the key
//! under which results are shared between proxies.
//!
//! | resources | function | view |
//! |---|---|---|
//! | clusters to services, and the fixed ones | [`clusters`], [`clusters_of`] | [`OutboundView`] |
//! | clusters to the own workload | [`inbound_clusters`] | [`InboundView`] |
//! | endpoints | [`endpoints`] | [`OutboundView`] |
//! | outbound listeners of sidecars | [`outbound_listeners`] | [`ListenerView`] |
//! | the inbound listener of sidecars | [`inbound_listeners`] | [`InboundView`] |
//! | listeners of gateways | [`gateway_listeners`] | [`GatewayView`] |
//! | routes of sidecars | [`sidecar_routes`] | [`RouteView`] |
//! | routes of gateways | [`gateway_routes`] | [`GatewayView`] |
//! | names for the agent's DNS | [`name_table`] | [`OutboundView`] |
//! | credentials of Secrets | [`secrets`] | the proxy's namespace |
//!
//! [`proxy_of`] reads the node by which a proxy introduces itself.
//!
//! [`Snapshot`]: ferromesh_model::Snapshot
//! [`OutboundView`]: ferromesh_model::OutboundView
//! [`InboundView`]: ferromesh_model::InboundView
//! [`ListenerView`]: ferromesh_model::ListenerView
//! [`GatewayView`]: ferromesh_model::GatewayView
//! [`RouteView`]: ferromesh_model::RouteView

// Envoy marks fields as deprecated years before it stops reading them; these are the ones that every
// supported proxy understands, Istio's own versions included.
#![allow(deprecated)]

mod access_log;
mod cds;
mod eds;
mod gateway;
mod http_filter;
mod lds;
mod names;
mod nds;
mod node;
mod rds;
mod received;
mod resource;
mod sds;
mod tls;
mod unknown_traffic;
mod value;
mod wire;

pub use cds::{clusters, clusters_of, inbound_clusters};
pub use eds::endpoints;
pub use lds::{gateway_listeners, inbound_listeners, outbound_listeners};
pub use nds::name_table;
pub use node::{NodeFacts, proxy_of};
pub use rds::{gateway_routes, sidecar_routes};
pub use resource::Resource;
pub use sds::{secret_objects, secrets};
