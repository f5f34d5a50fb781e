//! Compiled filter chains.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_route::{ChainIndex, ConnectionView};
use ferromesh_types::Str;

use super::access_control::ConnectionRbac;
use super::by_name::ServerNames;
use super::connection_limit::ConnectionLimit;
use super::http_manager::HttpManager;
use super::tcp_proxy::TcpProxy;
use super::transport::DownstreamTransport;

/// The filter chains of a listener.
#[derive(Debug, Default)]
pub struct FilterChains {
    /// Finds a chain's position by connection.
    pub index: ChainIndex,
    /// In the order of the config.
    pub chains: Vec<Arc<FilterChain>>,
    /// For connections that no chain matches.
    pub default: Option<Arc<FilterChain>>,
}

impl FilterChains {
    /// The chain for a connection; `None` closes it (flag `NR`, counter `no_filter_chain_match`).
    pub fn find(&self, connection: &ConnectionView<'_>) -> Option<&Arc<FilterChain>> {
        match self.index.find(connection) {
            Some(number) => self.chains.get(number),
            None => self.default.as_ref(),
        }
    }

    /// All chains, the default last.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<FilterChain>> {
        self.chains.iter().chain(&self.default)
    }
}

/// What happens to a connection.
#[derive(Debug)]
pub struct FilterChain {
    /// Its name; may be empty.
    pub name: Str,
    /// Whether TLS is opened.
    pub transport: DownstreamTransport,
    /// How long the TLS handshake may take; `None` is without limit.
    pub transport_timeout: Option<Duration>,
    /// Run before the terminal filter, in this order.
    pub filters: Vec<NetworkFilter>,
    /// What finally takes the connection.
    pub terminal: TerminalFilter,
}

/// A network filter that passes the connection on, or closes it.
#[derive(Clone, Debug)]
pub enum NetworkFilter {
    /// Role-based access control.
    Rbac(Arc<ConnectionRbac>),
    /// Looks up the server name.
    ServerNames(Arc<ServerNames>),
    /// So many connections at a time.
    ConnectionLimit(Arc<ConnectionLimit>),
}

/// A network filter that takes the connection.
#[derive(Clone, Debug)]
pub enum TerminalFilter {
    /// Bytes to a cluster.
    TcpProxy(Arc<TcpProxy>),
    /// Requests.
    Http(Arc<HttpManager>),
    /// These bytes, then the end.
    DirectResponse(bytes::Bytes),
}
