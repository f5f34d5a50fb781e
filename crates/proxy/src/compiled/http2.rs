//! HTTP/2 options, downstream or upstream.

use std::time::Duration;

use ferromesh_http::http2::FloodLimits;

/// The options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Settings {
    /// Streams at a time on one connection.
    pub max_concurrent_streams: u32,
    /// Flow-control window of a stream.
    pub stream_window: u32,
    /// Flow-control window of a connection.
    pub connection_window: u32,
    /// Size of the table that compresses heads, in bytes.
    pub header_table: u32,
    /// Whether extended CONNECT is allowed.
    pub allow_connect: bool,
    /// Pings that show whether the peer is still there.
    pub keepalive: Option<Http2Keepalive>,
    /// What a client may send that carries nothing.
    pub floods: FloodLimits,
}

/// How a connection is kept alive, or found to be dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Keepalive {
    /// Between two pings; `None` sends none by the clock.
    pub interval: Option<Duration>,
    /// How much longer an interval may be by chance, in percent.
    pub jitter: u32,
    /// How long a ping may go unanswered.
    pub timeout: Duration,
    /// A new stream on a connection that was idle for longer asks first whether the peer is there.
    pub idle_interval: Option<Duration>,
}

impl Default for Http2Settings {
    /// Envoy's safe values: 1024 streams, 16 MiB per stream, 24 MiB per connection.
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            stream_window: 16 << 20,
            connection_window: 24 << 20,
            header_table: 4096,
            allow_connect: false,
            keepalive: None,
            floods: FloodLimits::default(),
        }
    }
}
