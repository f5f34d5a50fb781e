//! The state of one exchange.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ferromesh_http::{Headers, RequestHead, ResponseHead, Version, WireBytes};
use ferromesh_route::{EndpointMatch, Route, VirtualHost};
use ferromesh_tls::Session;

use super::filter::Memory;
use super::upstream::Upstream;
use super::view::View;
use crate::access_log::{ResponseFlags, TriedBefore};
use crate::cluster::Endpoint;
use crate::compiled::{Cluster, Config, HttpManager};
use crate::listener::Connection;
use crate::metadata::Metadata;
use crate::upstream::OurEnd;
use crate::worker::Worker;

/// One exchange, from head to log line.
pub(super) struct Exchange<'w> {
    pub(super) worker: &'w Rc<Worker>,
    pub(super) connection: &'w Connection,
    pub(super) manager: &'w HttpManager,
    /// The generation that the exchange began with.
    pub(super) config: Arc<Config>,
    pub(super) head: RequestHead,
    pub(super) grpc: bool,
    pub(super) started: Instant,
    pub(super) client: SocketAddr,
    /// Whether an empty 204 is the answer when time is over.
    pub(super) alt_response: bool,
    /// Whether the answer carries the request's id.
    pub(super) id_in_response: bool,
    /// Whether the client's proxy told what is done.
    pub(super) operation_came: bool,
    pub(super) virtual_host: Option<Arc<VirtualHost>>,
    pub(super) route: Option<Arc<Route>>,
    pub(super) cluster: Option<Arc<Cluster>>,
    /// What decides among weighted clusters, for filters and for the way on alike.
    pub(super) draw: u64,
    /// Which of the cluster's endpoints.
    pub(super) wanted: Option<Arc<EndpointMatch>>,
    pub(super) outcome: Outcome,
    /// What filters noted for those after them and for the access log.
    pub(super) metadata: Metadata,
    /// What filters remember.
    pub(super) filters: Memory,
}

/// What became of it.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) flags: ResponseFlags,
    pub(super) details: Cow<'static, str>,
    pub(super) failure: String,
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) upstream_local: OurEnd,
    /// What TLS with the endpoint established.
    pub(super) upstream_tls: Option<Arc<Session>>,
    /// What is spoken with the endpoint; `None` before there is a connection.
    pub(super) upstream_version: Option<Version>,
    /// The endpoint that was tried before the one that is in `endpoint`.
    pub(super) tried_before: Option<Box<TriedBefore>>,
    pub(super) attempts: u32,
    /// Bytes on the wires of tries that are over.
    pub(super) upstream_wire: WireBytes,
    /// Whether the answer is the proxy's own.
    pub(super) own: bool,
    pub(super) bytes_sent: u64,
    /// When the last try began.
    pub(super) tried: Option<Instant>,
    /// When the last try had its connection.
    pub(super) connected: Option<Instant>,
    /// When the answer began.
    pub(super) answered: Option<Instant>,
    /// When all was over; `None` while it is not, and where nobody looked.
    pub(super) ended: Option<Instant>,
    pub(super) response: Option<ResponseHead>,
    pub(super) trailers: Option<Headers>,
    /// Cookies that consistent hashing made, for the client.
    pub(super) cookies: Vec<String>,
}

/// How an exchange ended, for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client has the whole answer.
    Complete,
    /// The client is gone.
    Gone,
    /// The answer broke off.
    Broken,
}

impl Outcome {
    /// Ends a try that did not come to its end; what it took on the wire counts.
    pub(super) fn give_up(&mut self, upstream: Upstream) {
        self.upstream_wire += upstream.wire();
        upstream.give_up();
    }
}

impl Exchange<'_> {
    /// When the exchange began, by the wall clock; read only for who asks.
    pub(super) fn wall(&self) -> SystemTime {
        SystemTime::now() - self.started.elapsed()
    }

    /// The request as routes see it.
    pub(super) fn view(&self) -> View<'_> {
        View {
            head: &self.head,
            connection: self.connection,
        }
    }

    /// Remembers why the exchange went as it did.
    pub(super) fn explain(&mut self, flags: ResponseFlags, details: impl Into<Cow<'static, str>>) {
        self.outcome.flags.insert(flags);
        self.outcome.details = details.into();
    }
}
