//! The pages of the monitoring and debug ports: `/metrics`, `/version`, `/ready`, `/debug/*`.
//!
//! Debug pages tell a lot about the mesh. They are for callers on this machine, or with a token of the
//! control plane's own namespace, unless `ENABLE_DEBUG_ENDPOINT_AUTH` is false.

mod access;
mod config_dump;
mod mesh;
mod pages;
mod sync;

pub(crate) use access::DebugAccess;
pub(crate) use pages::{debug_routes, monitoring_routes};
