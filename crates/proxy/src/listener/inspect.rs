//! The listener filters: they look at the first bytes, which stay in front of the connection.

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use ferromesh_net::{ProxyHeader, parse_proxy_header};
use ferromesh_tls::{ClientHello, Inspected, inspect_client_hello};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::inspect_http::{HttpKind, inspect_http};
use crate::compiled::{Listener, ListenerFilterKind};

/// Bytes that are read at most before the inspectors must have decided: a ClientHello has up to
/// 16 KiB, and a record header on top.
const MOST_BYTES: usize = 17 * 1024;

/// What the inspectors found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The bytes that were read.
    pub(super) early: BytesMut,
    /// A TLS hello, when there was one.
    pub(super) hello: Option<ClientHello>,
    /// The HTTP version, when a request line or preface was seen.
    pub(super) http: Option<HttpKind>,
    /// Source and destination that a PROXY protocol header named; it was taken off the bytes.
    pub(super) proxied: Option<(SocketAddr, SocketAddr)>,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The client closed before it could be told what it speaks.
    Closed,
    /// The time of the listener filters is over.
    Timeout,
    /// The PROXY protocol header is missing or wrong.
    ProxyHeader,
}

/// Which inspectors have yet to decide.
struct Pending {
    /// Whether connections without the header are accepted.
    proxy: Option<bool>,
    tls: bool,
    http: bool,
}

impl Pending {
    fn is_over(&self) -> bool {
        self.proxy.is_none() && !self.tls && !self.http
    }
}

/// Reads and looks until every inspector that runs for `port` has decided.
pub(super) async fn inspect(
    listener: &Listener,
    stream: &mut TcpStream,
    port: u16,
) -> Result<Findings, Refused> {
    let runs = |kind| {
        let mut filters = listener.listener_filters.iter();
        filters.any(|filter| filter.kind == kind && filter.runs_for(port))
    };
    let proxy = listener.listener_filters.iter().find_map(|filter| {
        let ListenerFilterKind::ProxyProtocol { allow_without } = filter.kind else {
            return None;
        };
        filter.runs_for(port).then_some(allow_without)
    });
    let mut pending = Pending {
        proxy,
        tls: runs(ListenerFilterKind::TlsInspector),
        http: runs(ListenerFilterKind::HttpInspector),
    };
    let mut findings = Findings::default();
    if pending.is_over() {
        return Ok(findings);
    }
    let look = look(stream, &mut pending, &mut findings);
    let result = match listener.listener_filters_timeout {
        Some(limit) => tokio::time::timeout(limit, look)
            .await
            .unwrap_or(Err(Refused::Timeout)),
        None => look.await,
    };
    match result {
        Err(Refused::Timeout) if listener.continue_on_listener_filters_timeout => {}
        Err(refused) => return Err(refused),
        Ok(()) => {}
    }
    Ok(findings)
}

async fn look(
    stream: &mut TcpStream,
    pending: &mut Pending,
    findings: &mut Findings,
) -> Result<(), Refused> {
    findings.early.reserve(4096);
    loop {
        let count = stream
            .read_buf(&mut findings.early)
            .await
            .map_err(|_| Refused::Closed)?;
        if count == 0 {
            // A client that sent something and half-closed may still want an answer.
            if findings.early.is_empty() {
                return Err(Refused::Closed);
            }
            return Ok(());
        }
        decide(pending, findings)?;
        if pending.is_over() || findings.early.len() >= MOST_BYTES {
            return Ok(());
        }
    }
}

fn decide(pending: &mut Pending, findings: &mut Findings) -> Result<(), Refused> {
    if let Some(allow_without) = pending.proxy {
        match parse_proxy_header(&findings.early) {
            ProxyHeader::Incomplete => return Ok(()),
            ProxyHeader::Absent if allow_without => {}
            ProxyHeader::Absent | ProxyHeader::Invalid => return Err(Refused::ProxyHeader),
            ProxyHeader::Present { length, addresses } => {
                findings.early.advance(length);
                findings.proxied = addresses;
            }
        }
        pending.proxy = None;
    }
    if pending.tls {
        match inspect_client_hello(&findings.early) {
            Inspected::Incomplete => return Ok(()),
            Inspected::NotTls => pending.tls = false,
            Inspected::Tls(hello) => {
                findings.hello = Some(hello);
                // Inside TLS there is nothing to see for the other inspector.
                pending.tls = false;
                pending.http = false;
            }
        }
    }
    if pending.http {
        match inspect_http(&findings.early) {
            HttpKind::Incomplete => {}
            HttpKind::NotHttp => pending.http = false,
            kind => {
                findings.http = Some(kind);
                pending.http = false;
            }
        }
    }
    Ok(())
}
