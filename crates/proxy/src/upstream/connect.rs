//! One connection to one endpoint: socket, then TLS where the endpoint's transport asks for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ferromesh_net::{ConnectSettings, KeepAlive, ProxyAddresses, Stream, proxy_header};
use ferromesh_tls::{Session, TlsError};
use ferromesh_types::Str;
use thiserror::Error;
use tokio::io::AsyncWriteExt;

use super::reset::ResetReason;
use crate::cluster::{ActiveConnectionGuard, Endpoint, LimitGuard};
use crate::compiled::Cluster;
use crate::worker::Transport;

/// What one connection asks for beyond its cluster's settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectOptions {
    /// Server name instead of the transport's.
    pub(crate) server_name: Option<String>,
    /// Application protocols instead of the transport's.
    pub(crate) alpn: Option<Vec<Str>>,
    /// Whom a PROXY protocol header names, where the transport writes one.
    pub(crate) proxied: Option<ProxyAddresses>,
}

/// Our end of a connection to an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OurEnd {
    /// Its address; none on a path of the file system.
    pub(crate) address: Option<SocketAddr>,
    /// The connection's number, unique in the process; 0 where there is no connection.
    pub(crate) number: u64,
}

impl OurEnd {
    fn of(stream: &Stream) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            address: stream.local_address().ok().and_then(|local| local.ip()),
            number: LAST.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }
}

/// A connection that was made.
#[derive(Debug)]
pub(crate) struct Connected {
    /// Its bytes.
    pub(crate) transport: Transport,
    /// Our end.
    pub(crate) local: OurEnd,
    /// Whether ALPN agreed on HTTP/2.
    pub(crate) is_http2: bool,
    /// What TLS established, where it is spoken.
    pub(crate) tls: Option<Arc<Session>>,
    /// Counts the connection while it lives.
    pub(crate) guard: Link,
}

/// Counts an open connection; what it holds is given back when it closes.
#[derive(Debug)]
pub(crate) struct Link {
    cluster: Arc<Cluster>,
    opened: Instant,
    _endpoint: ActiveConnectionGuard,
    slot: Option<LimitGuard>,
}

impl Link {
    fn new(cluster: &Arc<Cluster>, endpoint: &Endpoint) -> Self {
        cluster.stats.upstream_cx_total().inc();
        cluster.stats.upstream_cx_active().inc();
        Self {
            cluster: Arc::clone(cluster),
            opened: Instant::now(),
            _endpoint: endpoint.counters.connected(),
            slot: None,
        }
    }

    /// Keeps a unit of the circuit breaker for as long as the connection lives.
    pub(crate) fn hold(&mut self, slot: LimitGuard) {
        self.slot = Some(slot);
    }

    /// When the connection was made.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let stats = &self.cluster.stats;
        stats.upstream_cx_active().dec();
        stats.upstream_cx_destroy().inc();
        stats
            .upstream_cx_length_ms()
            .record_duration(self.opened.elapsed());
    }
}

/// No connection could be made.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// Not in time.
    #[error("connection timeout")]
    Timeout,
    /// The socket could not be connected.
    #[error("delayed connect error: {0}")]
    Socket(#[source] io::Error),
    /// TLS failed.
    #[error("{0}")]
    Tls(#[source] TlsError),
}

impl ConnectError {
    /// The reset reason that stands for it.
    pub(crate) fn reason(&self) -> ResetReason {
        match self {
            Self::Timeout => ResetReason::ConnectionTimeout,
            Self::Socket(_) | Self::Tls(_) => ResetReason::RemoteConnectionFailure,
        }
    }

    /// Why, as the log says it, without spaces; empty for a timeout.
    pub(crate) fn transport_failure(&self) -> String {
        match self {
            Self::Timeout => String::new(),
            Self::Socket(error) => {
                format!("delayed connect error: {}", system_text(error)).replace(' ', "_")
            }
            Self::Tls(error) => error.to_string().replace(' ', "_"),
        }
    }
}

/// What strerror(3) says, without the number that Rust appends.
fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

/// Connects to `endpoint` within the cluster's connect timeout, handshake included.
pub(crate) async fn connect(
    cluster: &Arc<Cluster>,
    endpoint: &Arc<Endpoint>,
    options: &ConnectOptions,
) -> Result<Connected, ConnectError> {
    let begun = Instant::now();
    let opening = Box::pin(open(cluster, endpoint, options));
    let result = match tokio::time::timeout(cluster.connect_timeout, opening).await {
        Ok(result) => result,
        Err(_) => {
            cluster.stats.upstream_cx_connect_timeout().inc();
            Err(ConnectError::Timeout)
        }
    };
    match &result {
        Ok(_) => cluster
            .stats
            .upstream_cx_connect_ms()
            .record_duration(begun.elapsed()),
        Err(_) => {
            cluster.stats.upstream_cx_total().inc();
            cluster.stats.upstream_cx_connect_fail().inc();
            endpoint.counters.connect_failed();
        }
    }
    result
}

async fn open(
    cluster: &Arc<Cluster>,
    endpoint: &Arc<Endpoint>,
    options: &ConnectOptions,
) -> Result<Connected, ConnectError> {
    let stream = ferromesh_net::connect(&endpoint.address, &settings(cluster))
        .await
        .map_err(ConnectError::Socket)?;
    let local = OurEnd::of(&stream);
    let mut stream = stream;
    if let Some(version) = endpoint.transport.proxy_header() {
        let header = proxy_header(version, options.proxied);
        let written = stream.write_all(&header).await;
        written.map_err(ConnectError::Socket)?;
    }
    let Some(tls) = endpoint.transport.tls() else {
        return Ok(Connected {
            transport: Transport::Plain(stream),
            local,
            is_http2: false,
            tls: None,
            guard: Link::new(cluster, endpoint),
        });
    };
    let automatic = options.server_name.as_deref().filter(|_| tls.auto_sni);
    let handshake = tls
        .client
        .connect(stream, automatic, options.alpn.as_deref());
    let stream = handshake.await.map_err(|error| {
        cluster.stats.ssl_connection_error().inc();
        ConnectError::Tls(error)
    })?;
    cluster.stats.ssl_handshake().inc();
    let server_name = automatic.or(tls.client.settings().sni.as_deref());
    let session = stream.session(server_name.unwrap_or_default());
    Ok(Connected {
        local,
        is_http2: stream.alpn() == Some(b"h2"),
        tls: Some(Arc::new(session)),
        transport: Transport::Client(Box::new(stream)),
        guard: Link::new(cluster, endpoint),
    })
}

fn settings(cluster: &Cluster) -> ConnectSettings {
    ConnectSettings {
        source: cluster.bind_source,
        transparent: false,
        mark: None,
        keep_alive: cluster.tcp_keepalive.map(|keep_alive| KeepAlive {
            time: keep_alive.time,
            interval: keep_alive.interval,
            probes: keep_alive.probes,
        }),
    }
}
