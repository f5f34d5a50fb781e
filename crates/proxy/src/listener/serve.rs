//! One connection from accept to its terminal filter.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::BytesMut;
use ferromesh_net::{Rewind, Stream, original_destination};
use ferromesh_route::ConnectionView;
use ferromesh_tls::TlsServer;
use ferromesh_types::Str;
use tokio::net::TcpStream;
use tracing::debug;

use super::connection::{Connection, Socket, TlsPeer};
use super::inspect::{Findings, Inspection, Refused};
use super::inspect_http::HttpKind;
use super::server_first::{Asked, server_first};
use crate::access_log::{LogRecord, ResponseFlags, log_all};
use crate::compiled::{
    DownstreamTransport, FilterChain, Listener, ListenerFilterKind, TerminalFilter,
};
use crate::network_filter;
use crate::worker::{Handshake, Transport, Worker};

/// Serves a connection that `listener` accepted, to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    listener: Arc<Listener>,
    mut stream: TcpStream,
    peer: SocketAddr,
) {
    let peer = canonical(peer);
    let Ok(local) = stream.local_addr().map(canonical) else {
        return;
    };
    let Some(handshake) = worker.overload.begin_handshake(peer.ip()) else {
        return listener.stats.downstream_pre_cx_overflow().inc();
    };
    let (listener, destination) = hand_off(&worker, listener, &stream, local);
    let stats = listener.stats.clone();
    stats.downstream_cx_total().inc();
    stats.downstream_pre_cx_active().inc();
    let begun = Instant::now();
    // What looking takes is given back before the connection's long life begins.
    let socket = Socket { local, peer };
    let looking = look(&worker, &listener, &mut stream, destination, socket);
    let looked = Box::pin(looking).await;
    stats.downstream_pre_cx_active().dec();
    let (findings, fallback) = match looked {
        Ok(looked) => looked,
        Err(Refused::Timeout) => return stats.downstream_pre_cx_timeout().inc(),
        Err(Refused::Closed) => return stats.downstream_listener_filter_remote_close().inc(),
        Err(Refused::ProxyHeader) => return stats.downstream_listener_filter_error().inc(),
    };
    let ends = findings.proxied.unwrap_or((peer, destination));
    let Some(chain) = find_chain(&listener, &findings, ends, socket) else {
        stats.no_filter_chain_match().inc();
        return log_unmatched(&listener, ends, socket, &findings);
    };
    stats.downstream_cx_active().inc();
    // What was opened for another chain closes with `fallback`.
    let opened = fallback.filter(|fallback| Arc::ptr_eq(&fallback.0, &chain));
    let accepted = Accepted {
        stream: Stream::Tcp(stream),
        findings,
        begun,
        ends,
        socket,
        opened,
        handshake,
    };
    Box::pin(take(&worker, &listener, chain, accepted)).await;
    stats.downstream_cx_active().dec();
    stats.downstream_cx_destroy().inc();
    stats
        .downstream_cx_length_ms()
        .record_duration(begun.elapsed());
}

struct Accepted {
    stream: Stream,
    findings: Findings,
    begun: Instant,
    /// The client and where it wanted to go.
    ends: (SocketAddr, SocketAddr),
    socket: Socket,
    opened: Option<Fallback>,
    handshake: Handshake,
}

/// What was opened while a client was silent, and for which chain.
type Fallback = Box<(Arc<FilterChain>, network_filter::Opened)>;

/// Looks at the first bytes of a connection.
async fn look(
    worker: &Rc<Worker>,
    listener: &Arc<Listener>,
    stream: &mut TcpStream,
    destination: SocketAddr,
    socket: Socket,
) -> Result<(Findings, Option<Fallback>), Refused> {
    let mut inspection = Inspection::new(listener, destination.port());
    let mut fallback = None;
    if listener.listener_filters_timeout.is_some() {
        inspection.run(listener, stream).await?;
    } else {
        let asked = Asked {
            worker,
            listener,
            destination,
            socket,
        };
        server_first(&asked, &mut inspection, stream, &mut fallback).await?;
    }
    Ok((inspection.into_findings(), fallback.map(Box::new)))
}

/// The listener that is to serve the connection, and where the connection was going.
fn hand_off(
    worker: &Worker,
    listener: Arc<Listener>,
    stream: &TcpStream,
    local: SocketAddr,
) -> (Arc<Listener>, SocketAddr) {
    let by_filter = listener
        .listener_filters
        .iter()
        .any(|filter| filter.kind == ListenerFilterKind::OriginalDestination);
    if !by_filter && !listener.use_original_destination {
        return (listener, local);
    }
    let Some(original) = original_destination(stream) else {
        return (listener, local);
    };
    if !listener.use_original_destination {
        return (listener, original);
    }
    let config = worker.config.load();
    let other = config.listeners.for_original_destination(original);
    let listener = other.map_or(listener, Arc::clone);
    (listener, original)
}

pub(super) fn find_chain(
    listener: &Listener,
    findings: &Findings,
    (peer, destination): (SocketAddr, SocketAddr),
    socket: Socket,
) -> Option<Arc<FilterChain>> {
    let offered: Vec<&str> = match (&findings.hello, findings.http) {
        (Some(hello), _) => hello.alpn.iter().map(Str::as_str).collect(),
        (None, Some(HttpKind::Http10)) => vec!["http/1.0"],
        (None, Some(HttpKind::Http11)) => vec!["http/1.1"],
        (None, Some(HttpKind::Http2)) => vec!["h2c"],
        _ => Vec::new(),
    };
    let hello = findings.hello.as_ref();
    let view = ConnectionView {
        destination: Some(destination),
        server_name: hello
            .and_then(|hello| hello.server_name.as_deref())
            .unwrap_or_default(),
        transport_protocol: if hello.is_some() { "tls" } else { "raw_buffer" },
        application_protocols: &offered,
        source: Some(peer),
        direct_source: Some(socket.peer),
    };
    listener.chains.find(&view).cloned()
}

async fn take(
    worker: &Rc<Worker>,
    listener: &Arc<Listener>,
    chain: Arc<FilterChain>,
    accepted: Accepted,
) {
    let Accepted {
        stream,
        findings,
        begun,
        ends,
        socket,
        opened,
        handshake,
    } = accepted;
    let server_name = findings.hello.and_then(|hello| hello.server_name);
    let (transport, early, tls) = match &chain.transport {
        DownstreamTransport::Raw => (Transport::Plain(stream), findings.early, None),
        DownstreamTransport::Tls(server) => {
            let stream = Rewind::new(findings.early.freeze(), stream);
            match open_tls(listener, &chain, server, stream, begun).await {
                Some((transport, tls)) => (transport, BytesMut::new(), Some(tls)),
                None => return,
            }
        }
    };
    drop(handshake);
    let mut connection = Connection::plain(worker, listener, chain, ends, socket);
    connection.server_name = server_name.unwrap_or_default();
    connection.tls = tls;
    connection.metadata = findings.metadata;
    let mut connection = Rc::new(connection);
    let unshared = Rc::get_mut(&mut connection).expect("made just now");
    let _slots = match network_filter::admit(unshared).await {
        Ok(slots) => slots,
        Err(refused) => return Box::pin(refused.see_off(&connection)).await,
    };
    match &connection.chain.terminal {
        TerminalFilter::TcpProxy(settings) => {
            let settings = Arc::clone(settings);
            let bytes = (early, opened.map(|opened| opened.1));
            let relaying =
                network_filter::tcp_proxy(worker, &connection, &settings, transport, bytes);
            Box::pin(relaying).await;
        }
        TerminalFilter::Http(manager) => {
            let manager = Arc::clone(manager);
            network_filter::http_manager(worker, connection, manager, transport, early).await;
        }
        TerminalFilter::DirectResponse(answer) => {
            network_filter::direct_response(transport, answer).await;
        }
    }
}

async fn open_tls(
    listener: &Listener,
    chain: &FilterChain,
    server: &TlsServer,
    stream: Rewind<Stream>,
    begun: Instant,
) -> Option<(Transport, TlsPeer)> {
    let handshake = server.accept(stream);
    let result = match chain.transport_timeout {
        Some(limit) => match tokio::time::timeout(limit, handshake).await {
            Ok(result) => result,
            Err(_) => {
                let stats = &listener.stats;
                stats.downstream_cx_transport_socket_connect_timeout().inc();
                return None;
            }
        },
        None => handshake.await,
    };
    match result {
        Ok(stream) => {
            listener.stats.ssl_handshake().inc();
            let tls = TlsPeer {
                after: begun.elapsed(),
                session: stream.session().with_local(server.local_certificate()),
                alpn: stream.alpn().map(<[u8]>::to_vec),
            };
            if stream.is_resumed() {
                listener.stats.ssl_session_reused().inc();
            }
            if tls.session.peer.is_none() {
                listener.stats.ssl_no_certificate().inc();
            }
            Some((Transport::Server(Box::new(stream)), tls))
        }
        Err(reason) => {
            listener.stats.ssl_connection_error().inc();
            debug!(listener = %listener.name, %reason, "TLS with a client failed");
            None
        }
    }
}

fn log_unmatched(
    listener: &Listener,
    (peer, destination): (SocketAddr, SocketAddr),
    socket: Socket,
    findings: &Findings,
) {
    let hello = findings.hello.as_ref();
    let record = LogRecord {
        start: Some(SystemTime::now()),
        flags: ResponseFlags::NO_ROUTE,
        status_details: "filter_chain_not_found",
        downstream_local: Some(destination),
        downstream_remote: Some(peer),
        downstream_direct_remote: Some(socket.peer),
        downstream_direct_local: Some(socket.local),
        listener: &listener.name,
        server_name: hello
            .and_then(|hello| hello.server_name.as_deref())
            .unwrap_or_default(),
        ..LogRecord::default()
    };
    log_all(&listener.access_logs, &record);
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
