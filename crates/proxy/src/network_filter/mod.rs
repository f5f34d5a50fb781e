//! Filters that take a connection.

mod direct_response;
mod hang_up;
mod http1_requests;
mod http2;
mod http_manager;
mod patience;
mod refuse;
mod tcp_proxy;

pub(crate) use direct_response::direct_response;
pub(crate) use http_manager::http_manager;
pub(crate) use tcp_proxy::tcp_proxy;
