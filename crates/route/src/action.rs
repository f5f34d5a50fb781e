//! What a route does with a request: forward, redirect or answer directly.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::endpoint_match::EndpointMatch;
use crate::hash_policy::HashPolicy;
use crate::mirror::{MirrorCluster, MirrorPolicy};
use crate::redirect::Redirect;
use crate::retry::RetryPolicy;
use crate::rewrite::{HostRewrite, PathRewrite};
use crate::weighted::ClusterChoice;

/// What a route does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends the request to a cluster.
    Forward(Box<Forward>),
    /// Answers with a redirect.
    Redirect(Box<Redirect>),
    /// Answers by itself.
    Respond(DirectResponse),
}

/// A fixed answer.
#[derive(Clone, Debug)]
pub struct DirectResponse {
    /// The status.
    pub status: u16,
    /// The body; may be empty.
    pub body: Bytes,
}

/// How a request is forwarded.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Where to.
    pub cluster: ClusterChoice,
    /// Which of its endpoints, where the cluster has subsets; of a weighted choice, each has its
    /// own.
    pub endpoint_match: Option<Arc<EndpointMatch>>,
    /// The status when the cluster does not exist.
    pub cluster_not_found_status: u16,
    /// Edit of the path.
    pub path_rewrite: Option<PathRewrite>,
    /// Edit of the authority.
    pub host_rewrite: Option<HostRewrite>,
    /// Whether an edited authority is kept in `x-forwarded-host`.
    pub append_x_forwarded_host: bool,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Retries; overrides the virtual host's.
    pub retry: Option<RetryPolicy>,
    /// Whether a try that takes too long gets company instead of being given up; `None` leaves it to
    /// the virtual host.
    pub hedge_on_per_try_timeout: Option<bool>,
    /// Copies to other clusters; where there are none, the virtual host's.
    pub mirrors: Vec<MirrorPolicy>,
    /// Whether the circuit breakers of priority HIGH apply.
    pub high_priority: bool,
    /// Hash input for consistent-hash load balancing.
    pub hash_policies: Vec<HashPolicy>,
    /// Upgrades (lower case) that this route allows or forbids, over the connection manager's.
    pub upgrades: Vec<(String, bool)>,
    /// Whether CONNECT ends here: the endpoint gets the bytes of the tunnel alone.
    pub ends_connect: bool,
}

impl Forward {
    /// Every cluster that the route names, copies included.
    pub fn cluster_names(&self) -> Vec<&ferromesh_types::Str> {
        let mut names = self.cluster.names();
        names.extend(
            self.mirrors
                .iter()
                .filter_map(|mirror| match &mirror.cluster {
                    MirrorCluster::Named(name) => Some(name),
                    MirrorCluster::FromHeader(_) => None,
                }),
        );
        names
    }
}

/// How long things may take. `None` is without limit.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From the complete request to the complete response.
    pub request: Option<Duration>,
    /// Without progress on the stream; outer `None` keeps the connection manager's.
    pub idle: Option<Option<Duration>>,
    /// The whole life of the stream; outer `None` keeps the connection manager's.
    pub max_stream_duration: Option<Option<Duration>>,
    /// Whether the route limits streams instead of requests: then `request` is not applied.
    pub limits_streams: bool,
    /// Upper bound of the stream's life that `grpc-timeout` asks for; outer `None` ignores that
    /// header, inner `None` accepts any.
    pub grpc_header_max: Option<Option<Duration>>,
    /// Upper bound of the request's time that `grpc-timeout` asks for (`max_grpc_timeout`, the
    /// older way); outer `None` ignores that header, inner `None` accepts any.
    pub grpc_timeout_max: Option<Option<Duration>>,
}

impl Default for Timeouts {
    /// Envoy's: 15 s for a request.
    fn default() -> Self {
        Self {
            request: Some(Duration::from_secs(15)),
            idle: None,
            max_stream_duration: None,
            limits_streams: false,
            grpc_header_max: None,
            grpc_timeout_max: None,
        }
    }
}
