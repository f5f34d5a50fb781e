//! The beginning of a try: what the request asks of a connection, and its head sent on one.

use std::sync::Arc;
use std::time::Instant;

use ferromesh_http::{Framing, Method, RequestHead, Version};

use super::attempt::Failure;
use super::exchange::Outcome;
use super::filter::alpn;
use super::upstream::{Upstream, http2_reason};
use crate::cluster::{Endpoint, LimitGuard, Resource, Thresholds};
use crate::compiled::{Cluster, Http1Upstream, HttpFilter, UpstreamHttp};
use crate::listener::Connection;
use crate::upstream::{
    AcquireError, Acquired, ConnectOptions, ResetReason, Speak, Wanted, hash_text,
};

/// What the request asks of a connection.
pub(super) fn wanted<'l>(
    connection: &Connection,
    filters: &[HttpFilter],
    head: &RequestHead,
    cluster: &Cluster,
    endpoint: &Endpoint,
    limits: &'l Arc<Thresholds>,
) -> Wanted<'l> {
    let as_http1 = match head.version {
        Version::Http10 => Version::Http10,
        Version::Http11 | Version::Http2 => Version::Http11,
    };
    let speak = speak(cluster, head.version);
    let version = match speak {
        Speak::Http1 => as_http1,
        Speak::Http2(_) => Version::Http2,
        Speak::Alpn(_) => Version::Http11,
    };
    let mut options = ConnectOptions::default();
    let mut variant = 0;
    if endpoint.transport.proxy_header().is_some() {
        // Connections are not shared among clients: the endpoint knows one by its header.
        let addresses = (connection.peer, connection.destination);
        options.proxied = Some(addresses);
        variant ^= hash_text(&format!("{addresses:?}"));
    }
    if let Some(tls) = endpoint.transport.tls() {
        if let Some((protocols, number)) = alpn::override_for(filters, cluster, version) {
            options.alpn = Some(protocols);
            variant ^= number;
        }
        if tls.auto_sni {
            let name = ferromesh_route::virtual_host::without_port(head.authority());
            variant ^= hash_text(name);
            options.server_name = Some(name.to_owned());
        }
    }
    Wanted {
        speak,
        options,
        variant,
        doubts: false,
        limits,
    }
}

/// What a cluster is spoken to for a request of this version.
pub(crate) fn speak(cluster: &Cluster, request: Version) -> Speak {
    match &cluster.http {
        UpstreamHttp::Http1(_) => Speak::Http1,
        UpstreamHttp::Http2(settings) => Speak::Http2(*settings),
        UpstreamHttp::Downstream(_, settings) if request == Version::Http2 => {
            Speak::Http2(*settings)
        }
        UpstreamHttp::Downstream(..) => Speak::Http1,
        UpstreamHttp::Alpn(_, settings) => Speak::Alpn(*settings),
    }
}

/// Asks for a connection of bytes without messages: a new one, since none of this variant is ever
/// given back.
pub(super) fn want_bytes(wanted: &mut Wanted<'_>) {
    wanted.speak = Speak::Http1;
    wanted.variant ^= hash_text("the bytes of a tunnel");
}

/// Takes a place among the requests in flight; a connection without one goes back.
pub(super) fn admit(
    acquired: Result<Acquired, AcquireError>,
    cluster: &Cluster,
    limits: &Arc<Thresholds>,
) -> Result<(Acquired, LimitGuard), Failure> {
    let acquired = acquired.map_err(|error| Failure::Reset {
        reason: error.reason(),
        transport_failure: error.transport_failure(),
        begun: false,
        dead_connection: false,
    })?;
    Ok(take_place(acquired, cluster, limits)?)
}

/// Takes a place among the requests in flight for an exchange on this connection.
pub(crate) fn take_place(
    acquired: Acquired,
    cluster: &Cluster,
    limits: &Arc<Thresholds>,
) -> Result<(Acquired, LimitGuard), ResetReason> {
    if let Some(slot) = limits.take(Resource::Requests) {
        return Ok((acquired, slot));
    }
    cluster.stats.upstream_rq_active_overflow().inc();
    if let Acquired::Http1(lent) = acquired {
        lent.release(Instant::now());
    }
    Err(ResetReason::Overflow)
}

/// Notes where a request goes.
pub(super) fn note(acquired: &Acquired, outcome: &mut Outcome) {
    outcome.upstream_local = acquired.local();
    outcome.upstream_tls = acquired.tls().cloned();
    outcome.upstream_version = Some(match acquired {
        Acquired::Http1(_) => Version::Http11,
        Acquired::Http2(_) => Version::Http2,
    });
}

/// Sends the head.
pub(crate) fn send_head(
    head: &RequestHead,
    framing: Framing,
    cluster: &Cluster,
    acquired: Acquired,
) -> Result<Upstream, ResetReason> {
    match acquired {
        Acquired::Http1(mut lent) => {
            lent.connection.send_request(head, framing);
            let trailers = http1_options(cluster).is_some_and(|http1| http1.enable_trailers);
            Ok(Upstream::http1(lent, trailers))
        }
        Acquired::Http2(reservation) => {
            let tunnel = head.method == Method::CONNECT || head.protocol().is_some();
            let end = framing.is_empty() && !tunnel;
            match reservation.send(head, end) {
                Ok(Some(stream)) => Ok(Upstream::Http2(Box::new(stream))),
                Ok(None) => Err(ResetReason::LocalReset),
                Err(error) => Err(http2_reason(&error)),
            }
        }
    }
}

fn http1_options(cluster: &Cluster) -> Option<&Http1Upstream> {
    match &cluster.http {
        UpstreamHttp::Http1(options)
        | UpstreamHttp::Downstream(options, _)
        | UpstreamHttp::Alpn(options, _) => Some(options),
        UpstreamHttp::Http2(_) => None,
    }
}
