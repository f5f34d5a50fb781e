//! `cargo xtask conformance headers`: a request goes in; what the endpoint sees and what the client
//! gets must be what a stock Envoy makes of it.

mod case;
mod certificates;
mod forwarded;
mod http2;
mod identity;
mod path;
mod router;
mod server;

use super::beside::Row;

pub fn rows() -> Vec<Row> {
    [
        case::rows(),
        certificates::rows(),
        forwarded::rows(),
        http2::rows(),
        identity::rows(),
        path::rows(),
        router::rows(),
        server::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
