//! From an accepted socket to the filter that takes the connection.
//!
//! In: a socket and the listener that accepted it. Out: a call of a network filter. On the way: the
//! original destination, inspection of the first bytes, the filter chain match, TLS.

mod connection;
mod inspect;
mod inspect_http;
mod serve;
mod server_first;

pub(crate) use connection::Connection;
pub use inspect_http::{HttpKind, inspect_http};
pub(crate) use serve::serve;
