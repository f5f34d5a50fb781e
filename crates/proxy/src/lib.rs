//! The data plane: listeners, filter chains, routes, clusters, endpoints.
//!
//! In: xDS resources or a static bootstrap. Out: traffic, numbers, access logs, an admin interface.
//! The tree is the life of a connection: `xds` decodes and compiles off the workers, `compiled` is
//! what the workers read, the engine modules serve connections, `cluster` picks endpoints.

pub mod access_log;
mod admin;
mod ads;
pub mod bootstrap;
mod certificate;
pub mod cluster;
pub mod compiled;
mod http;
mod listener;
pub mod metadata;
mod network_filter;
mod proxy;
pub mod snapshot;
pub mod stats;
mod upstream;
mod uuid;
pub mod worker;
pub mod xds;

pub use listener::{HttpKind, inspect_http};
pub use worker::SocketState;

pub use proxy::{Proxy, ProxyError, ProxyHandle, ProxySettings, ServerState};
