//! Compiled config: what the workers read. Immutable, behind one pointer (`Published<Config>`).
//!
//! In: validated xDS resources or a static bootstrap (`crate::xds`, `crate::bootstrap`). Out: plain
//! structs with everything resolved that can be resolved ahead of a request: durations, matchers,
//! templates, counters, transport sockets. A request loads the root once and keeps it, so that it
//! sees one generation from beginning to end.
//!
//! Two things change without a new generation, each behind its own pointer: a cluster's endpoint set
//! ([`Cluster::endpoints`]) and secrets (`tls::SecretStore`).
//!
//! Identity tells what changed: a listener or cluster that is the same in the next generation is the
//! same `Arc`.

mod access_control;
mod by_name;
mod cluster;
mod connection_limit;
mod edge;
mod filter_chain;
mod grpc_stats;
mod http2;
mod http_filter;
mod http_manager;
mod listener;
mod local_replies;
mod overload;
mod tcp_proxy;
mod transport;

use std::collections::HashMap;
use std::sync::Arc;

use ferromesh_route::RouteTable;
use ferromesh_types::{Generation, Str};

pub use access_control::{AccessRules, ConnectionRbac, RbacFilter};
pub use by_name::{NameFilter, NameRewrite, ServerNames};
pub use cluster::{
    AskedFor, ClientChoice, Cluster, ConnectionLimits, Discovery, DnsFamily, DnsHost, DnsSettings,
    Http1Upstream, OriginalDestination, Preconnect, TcpKeepalive, UpstreamHttp,
};
pub use connection_limit::{ConnectionLimit, ConnectionSlot};
pub use edge::{InternalAddresses, RequestIds, StripPort, TraceSampling};
pub use filter_chain::{FilterChain, FilterChains, NetworkFilter, TerminalFilter};
pub use grpc_stats::{GrpcMethods, GrpcStatsFilter, MethodStats};
pub use http_filter::{
    Abort, AbortKind, AlpnOverride, CorsFilter, CorsPolicy, Delay, Fault, FaultFilter, HttpFilter,
    PeerMetadata, RouteFilter, RouteFilters,
};
pub use http_manager::{
    ClientCertDetails, Codec, EscapedSlashes, ForwardClientCert, HeadersWithUnderscores,
    Http1Downstream, HttpManager, HttpTimeouts, RouteSource, Router, ServerHeader, Upgrade,
};
pub use http2::{Http2Keepalive, Http2Settings};
pub use listener::{
    HeaderNote, Listener, ListenerFilter, ListenerFilterKind, ListenerPredicate, Listeners,
    TrafficDirection,
};
pub use local_replies::{LocalReplies, ReplyFormat, ReplyMapper};
pub use overload::{Monitor, OverloadAction, OverloadSettings, Trigger};
pub use tcp_proxy::{ConnectBackoff, TcpProxy, Tunneling};
pub use transport::{
    DownstreamTransport, TransportMatch, Transports, UpstreamTls, UpstreamTransport,
};

/// One generation of compiled config.
#[derive(Debug, Default)]
pub struct Config {
    /// Grows with every publication.
    pub generation: Generation,
    /// All warm listeners.
    pub listeners: Listeners,
    /// All warm clusters, by name.
    pub clusters: HashMap<Str, Arc<Cluster>>,
    /// Route tables that listeners name, by name.
    pub routes: HashMap<Str, Arc<RouteTable>>,
}

impl Config {
    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters.get(name)
    }

    /// The route table that an HTTP connection manager uses now; `None` answers 404.
    pub fn route_table<'a>(&'a self, manager: &'a HttpManager) -> Option<&'a Arc<RouteTable>> {
        match &manager.routes {
            RouteSource::Inline(table) => Some(table),
            RouteSource::Named(name) => self.routes.get(name),
        }
    }
}
