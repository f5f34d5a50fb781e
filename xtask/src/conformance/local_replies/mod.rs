//! `cargo xtask conformance local-replies`: answers of the proxy's own, and how exchanges end that
//! do not go well. Status, body, fields, response flags and details against a stock Envoy.

mod access;
mod by_name;
mod connection;
mod endpoint;
mod grpc;
mod hashing;
mod mapper;
mod request;
mod route;
mod subset;
mod timeout;
mod upgrade;

use super::beside::Row;

pub fn rows() -> Vec<Row> {
    [
        request::rows(),
        route::rows(),
        endpoint::rows(),
        timeout::rows(),
        grpc::rows(),
        hashing::rows(),
        mapper::rows(),
        upgrade::rows(),
        connection::rows(),
        access::rows(),
        by_name::rows(),
        subset::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
