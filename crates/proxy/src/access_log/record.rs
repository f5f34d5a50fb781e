//! What is known about a request or connection when it ends. Borrowed: filling one copies nothing.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ferromesh_http::WireBytes;
use ferromesh_tls::Session;

use super::ResponseFlags;
use crate::cluster::Endpoint;
use crate::metadata::Metadata;

/// Lookup of headers or trailers by lower-case name.
pub trait HeaderLookup {
    /// All values of a header joined with commas. Request lookups also know `:method`, `:path`,
    /// `:authority` and `:scheme`.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;

    /// How many bytes names and values have together.
    fn bytes(&self) -> u64;
}

impl HeaderLookup for http::HeaderMap {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.get_all(name).iter();
        let first = String::from_utf8_lossy(values.next()?.as_bytes());
        Some(values.fold(first, |joined, value| {
            Cow::Owned(format!(
                "{joined},{}",
                String::from_utf8_lossy(value.as_bytes())
            ))
        }))
    }

    fn bytes(&self) -> u64 {
        let sizes = self
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        sizes.sum::<usize>() as u64
    }
}

/// An endpoint that was tried, and the one before it.
#[derive(Debug)]
pub struct TriedBefore {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// What was tried before.
    pub before: Option<Box<Self>>,
}

/// One request, or one TCP connection. What is not known stays at its default.
#[derive(Clone, Copy, Default)]
pub struct LogRecord<'a> {
    /// What ended, by Envoy's name; empty for lines that stand for neither.
    pub kind: &'static str,
    /// When it began.
    pub start: Option<SystemTime>,
    /// From the beginning to the last byte of the response.
    pub duration: Option<Duration>,
    /// Until the request was complete.
    pub request_duration: Option<Duration>,
    /// Until the endpoint's answer began.
    pub response_duration: Option<Duration>,
    /// Until the answer to the client began.
    pub reply_begin: Option<Duration>,
    /// Until the request began to go to the endpoint.
    pub sending_begin: Option<Duration>,
    /// Until all of it was there to be sent.
    pub sending_end: Option<Duration>,
    /// How long the last try waited for its connection.
    pub pool_wait: Option<Duration>,
    /// Request headers, with edits made on the way upstream.
    pub request: Option<&'a dyn HeaderLookup>,
    /// Response headers.
    pub response: Option<&'a dyn HeaderLookup>,
    /// Response trailers.
    pub trailers: Option<&'a dyn HeaderLookup>,
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`; empty for TCP.
    pub protocol: &'a str,
    /// The same with the endpoint.
    pub upstream_protocol: &'a str,
    /// The status; 0 when there was no response.
    pub status: u16,
    /// Why that status, as `via_upstream`.
    pub status_details: &'a str,
    /// Response flags.
    pub flags: ResponseFlags,
    /// Why the connection was closed.
    pub termination_details: &'a str,
    /// Why TLS or the connection to the endpoint failed.
    pub upstream_failure: &'a str,
    /// Why TLS with the client failed.
    pub downstream_failure: &'a str,
    /// Body bytes from the client.
    pub bytes_received: u64,
    /// Body bytes to the client.
    pub bytes_sent: u64,
    /// Bytes on the client's wire.
    pub downstream_wire: WireBytes,
    /// Bytes on the endpoints' wires, over all tries.
    pub upstream_wire: WireBytes,
    /// How often it was tried upstream.
    pub attempts: u32,
    /// The endpoint's address as configured.
    pub upstream_host: Option<&'a crate::cluster::Address>,
    /// The endpoint's host name; empty without.
    pub upstream_name: &'a str,
    /// The endpoint that was tried before.
    pub tried_before: Option<&'a TriedBefore>,
    /// The proxy's end of the upstream connection.
    pub upstream_local: Option<SocketAddr>,
    /// The number of the upstream connection; 0 without.
    pub upstream_connection: u64,
    /// The endpoint.
    pub upstream_remote: Option<SocketAddr>,
    /// The cluster's name.
    pub cluster: &'a str,
    /// The cluster's name for observation.
    pub cluster_observability_name: &'a str,
    /// Where the client wanted to go.
    pub downstream_local: Option<SocketAddr>,
    /// The client, after trusted forwarding headers.
    pub downstream_remote: Option<SocketAddr>,
    /// The peer of the downstream socket.
    pub downstream_direct_remote: Option<SocketAddr>,
    /// Our end of the downstream socket, whatever the client wanted.
    pub downstream_direct_local: Option<SocketAddr>,
    /// The server name of the TLS hello.
    pub server_name: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// The listener's name.
    pub listener: &'a str,
    /// The filter chain's name.
    pub filter_chain: &'a str,
    /// The number of the downstream connection.
    pub connection_id: u64,
    /// From the client's connection until TLS was established.
    pub handshake_duration: Option<Duration>,
    /// TLS with the client.
    pub tls: Option<&'a Session>,
    /// TLS with the endpoint.
    pub upstream_tls: Option<&'a Session>,
    /// What filters noted.
    pub metadata: Option<&'a Metadata>,
    /// The text of an answer of the proxy's own, while it is being made.
    pub local_reply_body: &'a str,
}

impl LogRecord<'_> {
    /// The status of a gRPC answer, from its trailers or its head.
    pub(crate) fn grpc_status(&self) -> Option<u32> {
        let kind = self.request?.header("content-type")?;
        let rest = kind.strip_prefix("application/grpc")?;
        if !rest.is_empty() && !rest.starts_with(['+', ';']) {
            return None;
        }
        let found = [self.trailers, self.response].into_iter().flatten();
        let mut found = found.filter_map(|fields| fields.header("grpc-status"));
        match found.next() {
            Some(status) => status.parse().ok(),
            None if self.status == 0 => None,
            None => Some(crate::http::grpc_status(self.status)),
        }
    }
}
