//! What conditions may ask about who wants what.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use ferromesh_route::RequestView;
use ferromesh_types::Str;
use serde_json::Value;

/// A request with its connection, or a connection alone: that one has no path and no headers.
pub trait Facts: RequestView {
    /// Where the client wanted to go.
    fn destination(&self) -> SocketAddr;
    /// The client after trusted forwarding fields.
    fn remote(&self) -> IpAddr;
    /// The client of the connection: the peer of the socket, or whom a PROXY protocol header names.
    fn connection_remote(&self) -> IpAddr;
    /// The peer of the socket.
    fn direct_remote(&self) -> IpAddr;
    /// The server name of the TLS hello; empty without.
    fn server_name(&self) -> &str;
    /// Whether the client used TLS towards us.
    fn is_tls(&self) -> bool;
    /// Whether a URI name, else a DNS name, else the subject of the client's certificate (which
    /// may be empty) is one that `matches` takes.
    fn peer_name(&self, matches: &mut dyn FnMut(&str) -> bool) -> bool;
    /// What filters noted under `namespace`, down the keys of `path`.
    fn metadata(&self, namespace: &str, path: &[Str]) -> Option<Cow<'_, Value>>;
}
