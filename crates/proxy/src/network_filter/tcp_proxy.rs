//! Bytes to a cluster and back.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use ferromesh_net::{RelayCounters, RelayEnd, Side, relay};
use ferromesh_route::EndpointMatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::access_log::{LogRecord, ResponseFlags, log_all};
use crate::cluster::{Endpoint, Finding, PickContext, Resource};
use crate::compiled::{Cluster, TcpProxy};
use crate::listener::Connection;
use crate::upstream::{ConnectOptions, Connected, connect};
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
        let Some(upstream) = &mut self.outcome.connected else {
            return false;
        };
        self.greeting.reserve(GREETING);
        let heard = upstream.transport.read_buf(&mut self.greeting).await;
        matches!(heard, Ok(count) if count > 0)
    }
}

/// What the log says in the end.
#[derive(Default)]
struct Outcome {
    flags: ResponseFlags,
    details: &'static str,
    failure: String,
    cluster: Option<Arc<Cluster>>,
    endpoint: Option<Arc<Endpoint>>,
    connected: Option<Connected>,
    attempts: u32,
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
        outcome.connected = None;
        outcome.flags.insert(ResponseFlags::DOWNSTREAM_TERMINATION);
    }
    if let Some(upstream) = &mut outcome.connected {
        let idle = settings.idle_timeout;
        let copying = relay(
            &mut downstream,
            &mut upstream.transport,
            early.freeze(),
            idle,
            &counters,
        );
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
    let mut opened = Opened::default();
    try_to_open(worker, connection, settings, &mut opened.outcome).await;
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
        outcome.details = "cluster_not_found";
        return;
    };
    outcome.cluster = Some(Arc::clone(&cluster));
    let Some(slot) = cluster.circuit_breakers.default.take(Resource::Connections) else {
        cluster.stats.upstream_cx_overflow().inc();
        outcome.flags = ResponseFlags::UPSTREAM_OVERFLOW;
        return;
    };
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
        let options = ConnectOptions {
            proxied: Some((connection.peer, connection.destination)),
            ..ConnectOptions::default()
        };
        match connect(&cluster, &endpoint, &options).await {
            Ok(mut connected) => {
                cluster.note(&endpoint, Finding::Served);
                connected.guard.hold(slot);
                outcome.connected = Some(connected);
                outcome.flags = ResponseFlags::default();
                return;
            }
            Err(error) => {
                cluster.note(&endpoint, Finding::Failed);
                outcome.flags = ResponseFlags::UPSTREAM_CONNECTION_FAILURE;
                outcome.failure = error.transport_failure();
                previous.push(endpoint.address.clone());
            }
        }
    }
    if settings.max_connect_attempts > 1 {
        outcome.flags.insert(ResponseFlags::RETRY_LIMIT_EXCEEDED);
    }
}

fn pick(
    worker: &Worker,
    connection: &Connection,
    settings: &TcpProxy,
    cluster: &Cluster,
    (previous, wanted): (&[crate::cluster::Address], Option<&EndpointMatch>),
) -> Option<Arc<Endpoint>> {
    if cluster.is_original_destination() {
        return Some(cluster.original_destination(connection.destination));
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
        Some(RelayEnd::Idle) => {
            settings.stats.idle_timeout().inc();
            outcome.flags.insert(ResponseFlags::STREAM_IDLE_TIMEOUT);
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
    let record = LogRecord {
        start: Some(start),
        duration: Some(duration),
        flags: outcome.flags,
        status_details: outcome.details,
        upstream_failure: &outcome.failure,
        bytes_received: received,
        bytes_sent: sent,
        attempts: outcome.attempts,
        upstream_host: outcome.endpoint.as_ref().map(|endpoint| &endpoint.address),
        upstream_local: outcome.connected.as_ref().and_then(|up| up.local),
        upstream_remote: outcome.endpoint.as_ref().and_then(|up| up.address.ip()),
        cluster: cluster.map_or("", |cluster| &cluster.name),
        cluster_observability_name: cluster.map_or("", |cluster| &cluster.observability_name),
        ..connection.record()
    };
    log_all(&settings.access_logs, &record);
}
