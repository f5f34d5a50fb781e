//! Bytes to a cluster and back.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use ferromesh_http::WireBytes;
use ferromesh_net::{RelayCounters, RelayEnd, Side, relay};
use ferromesh_route::EndpointMatch;
use ferromesh_tls::Session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::tunnel::{self, Tunnel};
use crate::access_log::{LogRecord, ResponseFlags, log_all};
use crate::cluster::{Endpoint, Finding, PickContext, Resource};
use crate::compiled::{ClientChoice, Cluster, TcpProxy};
use crate::listener::Connection;
use crate::upstream::{ConnectOptions, Connected, OurEnd, connect};
use crate::worker::{Transport, Worker};

/// A connection to an endpoint that was opened for a client, or why there is none.
#[derive(Default)]
pub(crate) struct Opened {
    outcome: Outcome,
    /// What the endpoint said before anybody else.
    greeting: BytesMut,
}

/// Bytes of a greeting that are taken before the relay begins.
const GREETING: usize = 1024;

impl Opened {
    /// Waits until the endpoint says something; false when it is not there, or leaves before.
    pub(crate) async fn hear(&mut self) -> bool {
        let Some(joined) = &mut self.outcome.joined else {
            return false;
        };
        self.greeting.reserve(GREETING);
        let heard = joined.read(&mut self.greeting).await;
        matches!(heard, Ok(count) if count > 0)
    }
}

/// The way to an endpoint.
enum Joined {
    /// A connection of its own.
    Connection(Box<Connected>),
    /// A request on a connection.
    Tunnel(Box<Tunnel>),
}

impl Joined {
    fn local(&self) -> OurEnd {
        match self {
            Self::Connection(connected) => connected.local,
            Self::Tunnel(tunnel) => tunnel.local,
        }
    }

    /// What TLS established; for a tunnel that is the way's own matter.
    fn tls(&self) -> Option<&Session> {
        match self {
            Self::Connection(connected) => connected.tls.as_deref(),
            Self::Tunnel(_) => None,
        }
    }

    async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Connection(connected) => connected.transport.read_buf(into).await,
            Self::Tunnel(tunnel) => tunnel.read_buf(into).await,
        }
    }

    /// Copies in both directions to the end.
    async fn relay(
        &mut self,
        downstream: &mut Transport,
        early: Bytes,
        idle: Option<Duration>,
        counters: &RelayCounters,
    ) -> RelayEnd {
        match self {
            Self::Connection(connected) => {
                relay(downstream, &mut connected.transport, early, idle, counters).await
            }
            // Off the common path: its future is boxed to keep the other's small.
            Self::Tunnel(tunnel) => {
                Box::pin(relay(downstream, &mut **tunnel, early, idle, counters)).await
            }
        }
    }
}

/// What the log says in the end.
#[derive(Default)]
struct Outcome {
    flags: ResponseFlags,
    failure: String,
    cluster: Option<Arc<Cluster>>,
    endpoint: Option<Arc<Endpoint>>,
    joined: Option<Joined>,
    attempts: u32,
    /// How long it took to connect, or to fail at it.
    waited: Option<Duration>,
}

/// Serves the connection to its end.
pub(crate) async fn tcp_proxy(
    worker: &Rc<Worker>,
    connection: &Connection,
    settings: &TcpProxy,
    mut downstream: Transport,
    (early, opened): (BytesMut, Option<Opened>),
) {
    settings.stats.downstream_cx_total().inc();
    let (start, begun) = (SystemTime::now(), Instant::now());
    let counters = RelayCounters::default();
    let opened = match opened {
        Some(opened) => opened,
        None => open(worker, connection, settings).await,
    };
    let Opened {
        mut outcome,
        greeting,
    } = opened;
    if greet(&mut downstream, &greeting, &counters).await.is_err() {
        outcome.joined = None;
        outcome.flags.insert(ResponseFlags::DOWNSTREAM_TERMINATION);
    }
    if let Some(joined) = &mut outcome.joined {
        let idle = settings.idle_timeout;
        let copying = joined.relay(&mut downstream, early.freeze(), idle, &counters);
        let limit = worker.with_random(|random| settings.life(random));
        let end = limited(
            copying,
            limit.map(|limit| limit.saturating_sub(begun.elapsed())),
        )
        .await;
        finish(end, settings, &mut outcome);
    }
    let (received, sent) = (counters.left_to_right.get(), counters.right_to_left.get());
    settings.stats.downstream_cx_rx_bytes_total().add(received);
    settings.stats.downstream_cx_tx_bytes_total().add(sent);
    if let Some(cluster) = &outcome.cluster {
        cluster.stats.upstream_cx_tx_bytes_total().add(received);
        cluster.stats.upstream_cx_rx_bytes_total().add(sent);
    }
    log(
        connection,
        settings,
        &outcome,
        (start, begun.elapsed()),
        (received, sent),
    );
}

/// Passes on what the endpoint said before anybody else; a fresh socket has room for it.
async fn greet(
    downstream: &mut Transport,
    greeting: &[u8],
    counters: &RelayCounters,
) -> io::Result<()> {
    if greeting.is_empty() {
        return Ok(());
    }
    counters.right_to_left.set(greeting.len() as u64);
    downstream.write_all(greeting).await
}

async fn limited(
    copying: impl Future<Output = RelayEnd>,
    limit: Option<Duration>,
) -> Option<RelayEnd> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, copying).await.ok(),
        None => Some(copying.await),
    }
}

/// Chooses cluster and endpoint and connects, as often as the settings allow.
pub(crate) async fn open(
    worker: &Rc<Worker>,
    connection: &Connection,
    settings: &TcpProxy,
) -> Opened {
    let (mut opened, begun) = (Opened::default(), Instant::now());
    try_to_open(worker, connection, settings, &mut opened.outcome).await;
    if opened.outcome.attempts > 0 {
        opened.outcome.waited = Some(begun.elapsed());
    }
    opened
}

async fn try_to_open(
    worker: &Rc<Worker>,
    connection: &Connection,
    settings: &TcpProxy,
    outcome: &mut Outcome,
) {
    let config = worker.config.current();
    let chosen = settings.cluster.choose_for_connection(worker.random());
    let wanted = match chosen.as_ref().and_then(|chosen| chosen.weighted) {
        Some(weighted) => weighted.endpoint_match.as_deref(),
        None => settings.endpoint_match.as_deref(),
    };
    let cluster = chosen.and_then(|chosen| config.cluster(&chosen.name).cloned());
    let Some(cluster) = cluster else {
        settings.stats.downstream_cx_no_route().inc();
        outcome.flags = ResponseFlags::NO_CLUSTER;
        return;
    };
    outcome.cluster = Some(Arc::clone(&cluster));
    let mut previous = Vec::new();
    for attempt in 0..settings.max_connect_attempts.max(1) {
        if attempt > 0
            && let Some(backoff) = &settings.backoff
        {
            let pause = worker.with_random(|random| backoff.pause(attempt, random));
            tokio::time::sleep(pause).await;
        }
        let Some(endpoint) = pick(worker, connection, settings, &cluster, (&previous, wanted))
        else {
            cluster.stats.upstream_cx_none_healthy().inc();
            outcome.flags = ResponseFlags::NO_HEALTHY_UPSTREAM;
            return;
        };
        outcome.attempts += 1;
        outcome.endpoint = Some(Arc::clone(&endpoint));
        let joining = match &settings.tunnel {
            Some(tunnel) => {
                let opening = tunnel::open(worker, connection, tunnel, &cluster, &endpoint);
                Box::pin(opening)
                    .await
                    .map(|tunnel| Joined::Tunnel(Box::new(tunnel)))
            }
            None => join(connection, &cluster, &endpoint).await,
        };
        match joining {
            Ok(joined) => {
                cluster.note(&endpoint, Finding::Served);
                outcome.joined = Some(joined);
                outcome.flags = ResponseFlags::default();
                return;
            }
            Err(NotJoined::Overflow) => {
                // Nobody was tried.
                outcome.attempts -= 1;
                outcome.endpoint = None;
                outcome.flags = ResponseFlags::UPSTREAM_OVERFLOW;
                return;
            }
            Err(NotJoined::Failed(reason)) => {
                cluster.note(&endpoint, Finding::Failed);
                outcome.flags = ResponseFlags::UPSTREAM_CONNECTION_FAILURE;
                outcome.failure = reason;
                previous.push(endpoint.address.clone());
            }
        }
    }
    // One try alone is a limit, too.
    outcome.flags.insert(ResponseFlags::RETRY_LIMIT_EXCEEDED);
}

/// Why there is no way to an endpoint.
pub(super) enum NotJoined {
    /// The cluster takes no more.
    Overflow,
    /// It could not be made, as the log says.
    Failed(String),
}

/// Connects to `endpoint`.
async fn join(
    connection: &Connection,
    cluster: &Arc<Cluster>,
    endpoint: &Arc<Endpoint>,
) -> Result<Joined, NotJoined> {
    let Some(slot) = cluster.circuit_breakers.default.take(Resource::Connections) else {
        cluster.stats.upstream_cx_overflow().inc();
        return Err(NotJoined::Overflow);
    };
    let options = ConnectOptions {
        proxied: Some((connection.peer, connection.destination)),
        ..ConnectOptions::default()
    };
    match connect(cluster, endpoint, &options).await {
        Ok(mut connected) => {
            connected.guard.hold(slot);
            Ok(Joined::Connection(Box::new(connected)))
        }
        Err(error) => Err(NotJoined::Failed(error.transport_failure())),
    }
}

fn pick(
    worker: &Worker,
    connection: &Connection,
    settings: &TcpProxy,
    cluster: &Cluster,
    (previous, wanted): (&[crate::cluster::Address], Option<&EndpointMatch>),
) -> Option<Arc<Endpoint>> {
    match cluster.choice_of_client(|| connection.asks_for(&connection.server_name)) {
        ClientChoice::Endpoint(endpoint) => return Some(endpoint),
        ClientChoice::Unknown => return None,
        ClientChoice::Balanced => {}
    }
    let hash = settings
        .hash_source_ip
        .then(|| crate::upstream::hash_address(connection.peer.ip()));
    worker.with_random(|random| {
        cluster.pick(&mut PickContext {
            hash,
            previous,
            wanted,
            host_selection_attempts: 5,
            ..PickContext::new(random)
        })
    })
}

/// What the end of the relay means. `None`: the connection reached its greatest age.
fn finish(end: Option<RelayEnd>, settings: &TcpProxy, outcome: &mut Outcome) {
    match end {
        None => {
            settings.stats.max_downstream_connection_duration().inc();
            outcome.flags.insert(ResponseFlags::DURATION_TIMEOUT);
        }
        Some(RelayEnd::Idle) => settings.stats.idle_timeout().inc(),
        Some(RelayEnd::Failed {
            side: Side::Right,
            error,
        }) if error.kind() == io::ErrorKind::ConnectionReset => {
            outcome.flags.insert(ResponseFlags::UPSTREAM_REMOTE_RESET);
        }
        Some(RelayEnd::Failed {
            side: Side::Right,
            error,
        }) => {
            outcome
                .flags
                .insert(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION);
            outcome.failure = error.to_string();
        }
        Some(RelayEnd::Failed {
            side: Side::Left, ..
        }) => {
            outcome.flags.insert(ResponseFlags::DOWNSTREAM_TERMINATION);
        }
        Some(RelayEnd::Closed { .. }) => {}
    }
}

fn log(
    connection: &Connection,
    settings: &TcpProxy,
    outcome: &Outcome,
    (start, duration): (SystemTime, Duration),
    (received, sent): (u64, u64),
) {
    let cluster = outcome.cluster.as_ref();
    let local = outcome.joined.as_ref().map(Joined::local);
    let local = local.unwrap_or_default();
    let record = LogRecord {
        kind: "TcpConnectionEnd",
        start: Some(start),
        duration: Some(duration),
        flags: outcome.flags,
        upstream_failure: &outcome.failure,
        bytes_received: received,
        bytes_sent: sent,
        downstream_wire: WireBytes::raw(received, sent),
        upstream_wire: match &outcome.joined {
            Some(Joined::Tunnel(tunnel)) => tunnel.wire(),
            _ => WireBytes::raw(sent, received),
        },
        attempts: outcome.attempts,
        upstream_tls: outcome.joined.as_ref().and_then(Joined::tls),
        upstream_name: outcome.endpoint.as_ref().map_or("", |up| &up.hostname),
        upstream_host: outcome.endpoint.as_ref().map(|endpoint| &endpoint.address),
        upstream_local: local.address,
        upstream_connection: local.number,
        upstream_remote: (outcome.joined.as_ref())
            .and_then(|_| outcome.endpoint.as_ref()?.address.ip()),
        pool_wait: outcome.waited,
        cluster: cluster.map_or("", |cluster| &cluster.name),
        cluster_observability_name: cluster.map_or("", |cluster| &cluster.observability_name),
        ..connection.record()
    };
    log_all(&settings.access_logs, &record);
}
