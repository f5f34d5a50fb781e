//! The targets, one file each.

pub(crate) mod access_log;
pub(crate) mod chunked;
pub(crate) mod client_hello;
pub(crate) mod config;
pub(crate) mod differential;
pub(crate) mod dns;
mod head;
pub(crate) mod http_detection;
pub(crate) mod proxy_protocol;
pub(crate) mod request_head;
pub(crate) mod response_head;
mod xds;
pub(crate) mod xds_compile;
pub(crate) mod xds_decode;
