//! The Gateway API as Istio's kinds: one internal form for everything above.
//!
//! In: changes of config objects, one batch at a time. Out: the Gateways, VirtualServices,
//! DestinationRules and bundles of roots that the objects of `gateway.networking.k8s.io` amount to,
//! as changes of objects that nobody wrote. The names of these hold a `~` or `+`, which no written
//! object can have.
//!
//! A listener becomes a Gateway of its own. The rules of all routes that are attached to a listener
//! become one VirtualService per host, most specific match first; those attached to a Service
//! become one per namespace of the routes. Everything is made again when something that counts
//! changes, and only what differs is handed on.

mod attach;
mod backend;
mod backend_tls;
mod class;
mod converter;
mod filter;
mod grant;
mod grpc;
mod http;
mod layer4;
mod listener;
mod listener_tls;
mod precedence;
mod rewrite;
mod roots;
mod route_rules;
mod synthetic;
mod table;
mod written;

pub use converter::{Change, Converter};
pub use listener::SERVICES;
pub use roots::{SCHEME as ROOTS_SCHEME, is_roots_secret, secret_name as roots_secret};

/// The scheme of the names of Secrets that Gateways refer to: `kubernetes-gateway://ns/name`.
pub const SECRET_SCHEME: &str = "kubernetes-gateway://";
