//! A connection for one exchange: one that is kept, or a new one, within the circuit breakers.

use std::rc::Rc;
use std::sync::Arc;

use ferromesh_tls::Session;
use thiserror::Error;

use super::connect::{ConnectError, ConnectOptions, OurEnd, connect};
use super::http1::Http1Upstream;
use super::http2::{Http2Connection, Reservation};
use super::pool::{Pool, PoolKey};
use super::preconnect::{Expected, connect_ahead};
use super::reset::ResetReason;
use crate::cluster::{Endpoint, LimitGuard, Resource, Thresholds};
use crate::compiled::{Cluster, Http2Settings};
use crate::worker::Worker;

/// How often a shared connection may turn out to be closing before a request gives up: each round
/// has forgotten one such connection, and no endpoint closes many at once.
const ROUNDS: usize = 16;

/// Which HTTP is to be spoken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Speak {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2(Http2Settings),
    /// What ALPN agrees on.
    Alpn(Http2Settings),
}

/// What a request wants.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// The protocol.
    pub(crate) speak: Speak,
    /// What the request changes about connections.
    pub(crate) options: ConnectOptions,
    /// Requests with other options have another number here.
    pub(crate) variant: u64,
    /// Whether a kept connection has turned out to be dead: its endpoint may have ended others, too.
    pub(crate) doubts: bool,
    /// The circuit breakers of the route's priority.
    pub(crate) limits: &'a Arc<Thresholds>,
}

/// A connection for one exchange.
#[derive(Debug)]
pub(crate) enum Acquired {
    /// Alone on an HTTP/1.1 connection.
    Http1(Box<Http1Upstream>),
    /// One stream of an HTTP/2 connection.
    Http2(Reservation),
}

impl Acquired {
    /// Our end of the connection.
    pub(crate) fn local(&self) -> OurEnd {
        match self {
            Self::Http1(lent) => lent.local,
            Self::Http2(reservation) => reservation.local(),
        }
    }

    /// What TLS established, where it is spoken.
    pub(crate) fn tls(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Http1(lent) => lent.tls.as_ref(),
            Self::Http2(reservation) => reservation.tls(),
        }
    }
}

/// There is no connection.
#[derive(Debug, Error)]
pub(crate) enum AcquireError {
    /// A circuit breaker is open.
    #[error("overflow")]
    Overflow,
    /// The connection could not be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The endpoint does not speak HTTP/2 properly.
    #[error("protocol error")]
    Protocol,
    /// The connection that others were making, and that this request waited for, could not be made.
    #[error("the awaited connection could not be made")]
    Awaited(SharedFailure),
}

/// Why a connection could not be made, for all who waited for it.
#[derive(Clone, Debug)]
pub(crate) struct SharedFailure {
    reason: ResetReason,
    transport_failure: String,
}

impl AcquireError {
    /// The reset reason that stands for it.
    pub(crate) fn reason(&self) -> ResetReason {
        match self {
            Self::Overflow => ResetReason::Overflow,
            Self::Connect(error) => error.reason(),
            Self::Protocol => ResetReason::ConnectionTermination,
            Self::Awaited(failure) => failure.reason,
        }
    }

    /// Why, as log and answer say it.
    pub(crate) fn transport_failure(&self) -> String {
        match self {
            Self::Connect(error) => error.transport_failure(),
            Self::Awaited(failure) => failure.transport_failure.clone(),
            Self::Overflow | Self::Protocol => String::new(),
        }
    }
}

/// Finds or makes a connection to `endpoint`.
pub(crate) async fn acquire(
    worker: &Rc<Worker>,
    cluster: &Arc<Cluster>,
    endpoint: &Arc<Endpoint>,
    wanted: &Wanted<'_>,
) -> Result<Acquired, AcquireError> {
    let pool = worker
        .pools
        .pool(key(cluster, endpoint, wanted), cluster, endpoint);
    let kept = if matches!(wanted.speak, Speak::Http1) {
        pool.take_idle(wanted.doubts).map(Acquired::Http1)
    } else {
        take_kept(&pool, wanted).await
    };
    if let Some(acquired) = kept {
        connect_ahead(worker, &pool, wanted, false);
        return Ok(acquired);
    }
    // Off the common path: its future is boxed to keep the request's small.
    Box::pin(wait_or_connect(worker, &pool, wanted)).await
}

async fn take_kept(pool: &Rc<Pool>, wanted: &Wanted<'_>) -> Option<Acquired> {
    for _ in 0..ROUNDS {
        let Some(shared) = pool.shared() else { break };
        if let Some(reservation) = shared.reserve().await {
            return Some(Acquired::Http2(reservation));
        }
    }
    pool.take_idle(wanted.doubts).map(Acquired::Http1)
}

async fn wait_or_connect(
    worker: &Rc<Worker>,
    pool: &Rc<Pool>,
    wanted: &Wanted<'_>,
) -> Result<Acquired, AcquireError> {
    let stats = &pool.cluster.stats;
    let Some(_pending) = wanted.limits.take(Resource::PendingRequests) else {
        stats.upstream_rq_pending_overflow().inc();
        return Err(AcquireError::Overflow);
    };
    stats.upstream_rq_pending_total().inc();
    let _gauge = PendingGauge::new(pool);
    let expected = Expected::new(pool);
    loop {
        let changed = pool.changed.notified();
        let failures = pool.failed.borrow().0;
        let ahead = pool.ahead.get() > 0;
        let comes = if may_share(pool, wanted) {
            ahead || pool.connecting.get()
        } else {
            ahead && expected.is_some()
        };
        if comes {
            connect_ahead(worker, pool, wanted, false);
            changed.await;
        } else {
            let slot = wanted.limits.take(Resource::Connections);
            // Every worker may have one connection, whatever the others hold: nobody waits forever.
            if slot.is_some() || pool.is_without_connection() {
                connect_ahead(worker, pool, wanted, true);
                return connect_noted(pool, wanted, slot).await;
            }
            stats.upstream_cx_overflow().inc();
            changed.await;
        }
        if let Some(acquired) = take_kept(pool, wanted).await {
            return Ok(acquired);
        }
        // Who waited with others fails with them: one after the other, the last would wait for the
        // sum of all attempts.
        if let (count, Some(failure)) = &*pool.failed.borrow()
            && *count > failures
        {
            return Err(AcquireError::Awaited(failure.clone()));
        }
    }
}

/// Whether the connection may turn out to be one for many.
fn may_share(pool: &Pool, wanted: &Wanted<'_>) -> bool {
    match wanted.speak {
        Speak::Http1 => false,
        Speak::Http2(_) => true,
        Speak::Alpn(_) => !pool.unshared.get(),
    }
}

/// Makes a connection; tells those who wait for it when it cannot be made.
async fn connect_noted(
    pool: &Rc<Pool>,
    wanted: &Wanted<'_>,
    slot: Option<LimitGuard>,
) -> Result<Acquired, AcquireError> {
    let _connecting = may_share(pool, wanted).then(|| Connecting::new(pool));
    let result = connect_new(pool, wanted, slot).await;
    if let Err(error) = &result {
        let mut failed = pool.failed.borrow_mut();
        failed.0 += 1;
        failed.1 = Some(SharedFailure {
            reason: error.reason(),
            transport_failure: error.transport_failure(),
        });
    }
    result
}

pub(super) async fn connect_new(
    pool: &Rc<Pool>,
    wanted: &Wanted<'_>,
    slot: Option<LimitGuard>,
) -> Result<Acquired, AcquireError> {
    let mut connected = connect(&pool.cluster, &pool.endpoint, &wanted.options).await?;
    if let Some(slot) = slot {
        connected.guard.hold(slot);
    }
    let settings = match wanted.speak {
        Speak::Http1 => None,
        Speak::Http2(settings) => Some(settings),
        Speak::Alpn(settings) => connected.is_http2.then_some(settings),
    };
    let Some(settings) = settings else {
        pool.unshared.set(true);
        let connection = Http1Upstream::new(connected, pool);
        return Ok(Acquired::Http1(Box::new(connection)));
    };
    let connection = Http2Connection::open(connected, pool, &settings)
        .await
        .map_err(|_| AcquireError::Protocol)?;
    pool.add_shared(Rc::clone(&connection));
    let reservation = connection.reserve().await;
    reservation
        .map(Acquired::Http2)
        .ok_or(AcquireError::Protocol)
}

/// Marks the pool while a connection that others may share is being made, and tells them after.
struct Connecting<'a>(&'a Pool);

impl<'a> Connecting<'a> {
    fn new(pool: &'a Pool) -> Self {
        pool.connecting.set(true);
        Self(pool)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.connecting.set(false);
        self.0.changed.notify_waiters();
    }
}

/// Counts a request as waiting for a connection.
struct PendingGauge<'a>(&'a Pool);

impl<'a> PendingGauge<'a> {
    fn new(pool: &'a Pool) -> Self {
        pool.cluster.stats.upstream_rq_pending_active().inc();
        pool.waiting.set(pool.waiting.get() + 1);
        Self(pool)
    }
}

impl Drop for PendingGauge<'_> {
    fn drop(&mut self) {
        self.0.cluster.stats.upstream_rq_pending_active().dec();
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

pub(super) fn key(
    cluster: &Arc<Cluster>,
    endpoint: &Arc<Endpoint>,
    wanted: &Wanted<'_>,
) -> PoolKey {
    PoolKey {
        cluster: Arc::as_ptr(cluster) as usize,
        endpoint: Arc::as_ptr(&endpoint.counters) as usize,
        transport: Arc::as_ptr(&endpoint.transport) as usize,
        variant: wanted.variant,
        http: match wanted.speak {
            Speak::Http1 => 1,
            Speak::Http2(_) => 2,
            Speak::Alpn(_) => 3,
        },
    }
}
