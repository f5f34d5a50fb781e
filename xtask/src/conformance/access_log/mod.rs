//! `cargo xtask conformance access-log`: what the operators of access logs show, and what a TCP proxy
//! logs about connections that do and do not go well.

mod http;
mod tcp;
mod tls;

use super::beside::Row;

pub fn rows() -> Vec<Row> {
    [http::rows(), tls::rows(), tcp::rows()]
        .into_iter()
        .flatten()
        .collect()
}
