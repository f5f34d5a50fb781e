//! Filters that look at a connection, and those that take it.

mod admission;
mod direct_response;
#[cfg(test)]
mod future_sizes;
mod hang_up;
mod http1_requests;
mod http2;
mod http_manager;
mod patience;
mod rbac;
mod refuse;
mod server_names;
mod tcp_proxy;
mod tunnel;

pub(crate) use admission::admit;
pub(crate) use direct_response::direct_response;
pub(crate) use http_manager::http_manager;
pub(crate) use http2::Stream;
pub(crate) use rbac::{ConnectionFacts, denied_details, note_hint, note_shadow};
pub(crate) use tcp_proxy::{Opened, open, tcp_proxy};
