//! The compiled HTTP connection manager.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_http::http1::NameCase;
use ferromesh_route::RouteTable;
use ferromesh_types::Str;

use super::edge::{InternalAddresses, RequestIds, StripPort};
use super::http_filter::HttpFilter;
use super::http2::Http2Settings;
use super::local_replies::LocalReplies;
use crate::access_log::AccessLog;
use crate::stats::HttpStats;

/// Everything that the request engine needs to know about one chain's HTTP.
#[derive(Debug)]
pub struct HttpManager {
    /// Prefix of its numbers.
    pub stat_prefix: Str,
    /// Which codec.
    pub codec: Codec,
    /// Where the routes come from; ask `Config::route_table`.
    pub routes: RouteSource,
    /// HTTP filters in order, without the router.
    pub filters: Vec<HttpFilter>,
    /// The router's own settings.
    pub router: Router,
    /// Value of the `server` response header.
    pub server_name: Str,
    /// What happens to a `server` header from upstream.
    pub server_header: ServerHeader,
    /// Value appended to `via`; empty appends nothing.
    pub via: Str,
    /// Whether the peer of the socket is the client: then `x-forwarded-for` is appended and headers
    /// from outside are not trusted.
    pub use_remote_address: bool,
    /// How many entries at the end of `x-forwarded-for` are ours.
    pub xff_trusted_hops: u32,
    /// Whether `x-forwarded-for` is left alone.
    pub skip_xff_append: bool,
    /// Whether `x-forwarded-port` is sent upstream.
    pub append_x_forwarded_port: bool,
    /// Which clients count as inside.
    pub internal_addresses: InternalAddresses,
    /// How `x-request-id` is made and read.
    pub request_ids: RequestIds,
    /// Whether tracing is configured: then routes' operations are told.
    pub traces: bool,
    /// What happens to `x-forwarded-client-cert`.
    pub forward_client_cert: ForwardClientCert,
    /// What our own entry of that header says.
    pub client_cert_details: ClientCertDetails,
    /// Whether dot segments of the path are resolved.
    pub normalize_path: bool,
    /// Whether runs of slashes are merged.
    pub merge_slashes: bool,
    /// What happens to `%2F` and `%5C` in the path.
    pub escaped_slashes: EscapedSlashes,
    /// Which port of the authority is removed.
    pub strip_port: StripPort,
    /// Whether a dot at the end of the authority's host is removed.
    pub strip_trailing_dot: bool,
    /// Whether `100-continue` is left to upstream.
    pub proxy_100_continue: bool,
    /// Time limits.
    pub timeouts: HttpTimeouts,
    /// HTTP/1 options.
    pub http1: Http1Downstream,
    /// HTTP/2 options.
    pub http2: Http2Settings,
    /// Limit of all request headers together, in bytes.
    pub max_request_headers: usize,
    /// Limit of the number of request headers.
    pub max_header_count: usize,
    /// What happens to request headers with underscores in their names.
    pub headers_with_underscores: HeadersWithUnderscores,
    /// Requests after which a connection is closed; `None` never.
    pub max_requests_per_connection: Option<u32>,
    /// Upgrades that are allowed or forbidden.
    pub upgrades: Vec<Upgrade>,
    /// How answers of the proxy's own are changed; most are not.
    pub local_replies: Option<Box<LocalReplies>>,
    /// Written when a request ends.
    pub access_logs: Vec<Arc<AccessLog>>,
    /// Its numbers.
    pub stats: HttpStats,
}

/// Which codec a connection manager speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// What ALPN or the first bytes say.
    #[default]
    Auto,
    /// HTTP/1.x.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Where routes come from.
#[derive(Clone, Debug)]
pub enum RouteSource {
    /// Part of the listener.
    Inline(Arc<RouteTable>),
    /// A route configuration of its own.
    Named(Str),
}

/// The router filter's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Router {
    /// Whether `x-envoy-*` headers are kept off requests and responses.
    pub suppress_envoy_headers: bool,
    /// Whether `x-envoy-expected-rq-timeout-ms` of the request is believed.
    pub respect_expected_rq_timeout: bool,
}

/// What happens to a `server` header from upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerHeader {
    /// Replaced by ours.
    #[default]
    Overwrite,
    /// Ours only where there is none.
    AppendIfAbsent,
    /// Left alone, and ours is never sent.
    PassThrough,
}

/// What happens to `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardClientCert {
    /// Removed.
    #[default]
    Sanitize,
    /// Passed on over mutual TLS, else removed.
    ForwardOnly,
    /// Our entry is appended over mutual TLS, else removed.
    AppendForward,
    /// Replaced by our entry over mutual TLS, else removed.
    SanitizeSet,
    /// Passed on always.
    AlwaysForwardOnly,
}

/// Fields of our entry of `x-forwarded-client-cert`, besides `By` and `Hash`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCertDetails {
    /// `Subject`.
    pub subject: bool,
    /// `Cert`.
    pub cert: bool,
    /// `Chain`.
    pub chain: bool,
    /// `DNS`.
    pub dns: bool,
    /// `URI`.
    pub uri: bool,
}

/// What happens to `%2F` and `%5C` in the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// Nothing.
    #[default]
    Keep,
    /// Such requests get 400.
    Reject,
    /// Redirect to the unescaped path.
    UnescapeAndRedirect,
    /// Forwarded unescaped.
    UnescapeAndForward,
}

/// What happens to request headers with underscores in their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadersWithUnderscores {
    /// Nothing.
    #[default]
    Allow,
    /// Such requests get 400.
    Reject,
    /// The headers are dropped.
    Drop,
}

/// Time limits of a connection manager. `None` is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpTimeouts {
    /// A connection without requests.
    pub idle: Option<Duration>,
    /// A stream without progress.
    pub stream_idle: Option<Duration>,
    /// Until the request is complete.
    pub request: Option<Duration>,
    /// Until the request's headers are complete.
    pub request_headers: Option<Duration>,
    /// A connection's whole life.
    pub max_connection_duration: Option<Duration>,
    /// A stream's whole life.
    pub max_stream_duration: Option<Duration>,
    /// Between the announcement of a close and the close.
    pub drain: Duration,
    /// Between the last byte sent and the close, so that the peer can read it.
    pub delayed_close: Duration,
}

impl Default for HttpTimeouts {
    /// Envoy's.
    fn default() -> Self {
        Self {
            idle: Some(Duration::from_hours(1)),
            stream_idle: Some(Duration::from_mins(5)),
            request: None,
            request_headers: None,
            max_connection_duration: None,
            max_stream_duration: None,
            drain: Duration::from_secs(5),
            delayed_close: Duration::from_secs(1),
        }
    }
}

/// HTTP/1 options of a connection manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http1Downstream {
    /// Whether HTTP/1.0 requests are served (else 426).
    pub accept_http_10: bool,
    /// The authority of HTTP/1.0 requests without `Host`.
    pub default_host: Str,
    /// The case in which names of fields are written, or whether they are kept as they come.
    pub names: NameCase,
    /// Whether methods that nobody has registered are served (else 400).
    pub custom_methods: bool,
    /// Whether responses carry trailers.
    pub enable_trailers: bool,
}

/// An upgrade that is allowed or forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// In lower case, as `websocket`; `connect` stands for CONNECT.
    pub name: String,
    /// Whether it is allowed.
    pub enabled: bool,
}
