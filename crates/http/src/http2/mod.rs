//! HTTP/2 (RFC 9113) over the `h2` crate: heads of our own types in and out, frames with flow
//! control that reaches from the slow side to the fast side.
//!
//! Capacity is given back to the sender when a frame is handed out, and a frame is asked for only
//! when the other side has room.

mod client;
mod convert;
mod flood;
mod ping;
mod server;
mod stream;

pub use client::{ASSUMED_STREAMS, ClientConnection, ClientSender, ClientStream, connect};
pub use flood::FloodLimits;
pub use ping::Pinger;
pub use server::{ServerConnection, ServerStream, accept};
pub use stream::{Http2Error, Receiving, Sending};

/// Bytes of a stream that wait here for a slow peer before their source is held back, as on HTTP/1.1.
const MOST_UNSENT: usize = 64 * 1024;

/// Settings of a connection. Windows and counts are those of RFC 9113 section 6.5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that the peer may send on one stream before it has to wait.
    pub stream_window: u32,
    /// Bytes that the peer may send on all streams together.
    pub connection_window: u32,
    /// Streams that the peer may open.
    pub max_concurrent_streams: u32,
    /// Bytes of the table that compresses the heads that the peer sends.
    pub header_table: u32,
    /// Decoded bytes of a head.
    pub max_head_bytes: u32,
    /// Whether extended CONNECT (RFC 8441) is offered.
    pub extended_connect: bool,
    /// What a client may send that carries nothing.
    pub floods: FloodLimits,
}

impl Default for Settings {
    /// 256 KiB per stream, 1 MiB per connection: enough for the bandwidth-delay product of a data
    /// centre, small enough that a slow reader holds little.
    fn default() -> Self {
        Self {
            stream_window: 256 * 1024,
            connection_window: 1024 * 1024,
            max_concurrent_streams: 1024,
            header_table: 4096,
            max_head_bytes: 60 * 1024,
            extended_connect: true,
            floods: FloodLimits::default(),
        }
    }
}
