//! The compiled TCP proxy filter.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_route::ClusterChoice;
use ferromesh_types::Str;

use crate::access_log::AccessLog;
use crate::stats::TcpStats;

/// Sends a connection's bytes to a cluster.
#[derive(Debug)]
pub struct TcpProxy {
    /// Prefix of its numbers.
    pub stat_prefix: Str,
    /// Where to.
    pub cluster: ClusterChoice,
    /// Time without a byte in either direction; `None` is without limit. Envoy's default is 1 h.
    pub idle_timeout: Option<Duration>,
    /// The connection's whole life.
    pub max_duration: Option<Duration>,
    /// How often a connection is tried, at least once.
    pub max_connect_attempts: u32,
    /// Whether the client's address is hashed for consistent-hash clusters.
    pub hash_source_ip: bool,
    /// Written when the connection ends.
    pub access_logs: Vec<Arc<AccessLog>>,
    /// Its numbers.
    pub stats: TcpStats,
}
