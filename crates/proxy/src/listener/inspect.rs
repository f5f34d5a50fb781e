//! The listener filters: they look at the first bytes, which stay in front of the connection.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use ferromesh_net::{
    ProxyAddresses, ProxyHeader, ProxyVersion, parse_proxy_header, proxy_header_entries,
    proxy_header_version,
};
use ferromesh_tls::{ClientHello, Inspected, inspect_client_hello};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::inspect_http::{HttpKind, inspect_http};
use crate::compiled::{HeaderNote, Listener, ListenerFilterKind};
use crate::metadata::Metadata;

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
    /// What is noted of a PROXY protocol header.
    pub(super) metadata: Metadata,
    /// Source and destination that a PROXY protocol header named; it was taken off the bytes.
    pub(super) proxied: Option<ProxyAddresses>,
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
    proxy: Option<ExpectedHeader>,
    tls: bool,
    http: bool,
}

/// What is asked of the PROXY protocol header.
struct ExpectedHeader {
    /// Whether connections without the header are accepted.
    optional: bool,
    v1: bool,
    v2: bool,
    notes: Arc<[HeaderNote]>,
}

impl ExpectedHeader {
    /// The header, as far as its version is allowed. Where the header is optional, bytes that look
    /// like that of another version are not looked at.
    fn read(&self, bytes: &[u8]) -> ProxyHeader {
        let allowed = match proxy_header_version(bytes) {
            Some(ProxyVersion::V1) => self.v1,
            Some(ProxyVersion::V2) => self.v2,
            None => true,
        };
        match (allowed, self.optional) {
            (true, _) => parse_proxy_header(bytes),
            (false, true) => ProxyHeader::Absent,
            (false, false) => ProxyHeader::Invalid,
        }
    }

    /// Notes what is asked for of a header that is there.
    fn note(&self, header: &[u8], metadata: &mut Metadata) {
        if self.notes.is_empty() {
            return;
        }
        for (kind, value) in proxy_header_entries(header) {
            for note in self.notes.iter().filter(|note| note.entry == kind) {
                let text = if note.base64 {
                    STANDARD.encode(value)
                } else {
                    sanitized(value)
                };
                metadata.note(&note.namespace, note.key.clone(), text.into());
            }
        }
    }
}

/// As text, with an exclamation mark for what is none, which is how Envoy writes it.
fn sanitized(value: &[u8]) -> String {
    value.utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push('!');
        }
        text
    })
}

impl Pending {
    /// Whether a connection that brings no more bytes may go on.
    fn may_end(&self) -> bool {
        self.proxy.as_ref().is_none_or(|expected| expected.optional)
    }

    fn is_over(&self) -> bool {
        self.proxy.is_none() && !self.tls && !self.http
    }
}

/// What is known of a connection so far, and what is still looked for.
pub(super) struct Inspection {
    pending: Pending,
    findings: Findings,
}

impl Inspection {
    /// Begins for a connection to `port`.
    pub(super) fn new(listener: &Listener, port: u16) -> Self {
        let runs = |kind: ListenerFilterKind| {
            let mut filters = listener.listener_filters.iter();
            filters.any(|filter| filter.kind == kind && filter.runs_for(port))
        };
        let proxy = listener.listener_filters.iter().find_map(|filter| {
            let ListenerFilterKind::ProxyProtocol {
                allow_without,
                v1,
                v2,
                notes,
            } = &filter.kind
            else {
                return None;
            };
            let expected = ExpectedHeader {
                optional: *allow_without,
                v1: *v1,
                v2: *v2,
                notes: Arc::clone(notes),
            };
            filter.runs_for(port).then_some(expected)
        });
        Self {
            pending: Pending {
                proxy,
                tls: runs(ListenerFilterKind::TlsInspector),
                http: runs(ListenerFilterKind::HttpInspector),
            },
            findings: Findings::default(),
        }
    }

    /// Reads and looks until every inspector has decided.
    pub(super) async fn run(
        &mut self,
        listener: &Listener,
        stream: &mut TcpStream,
    ) -> Result<(), Refused> {
        let result = match listener.listener_filters_timeout {
            Some(limit) => tokio::time::timeout(limit, self.look(stream))
                .await
                .unwrap_or(Err(Refused::Timeout)),
            None => self.look(stream).await,
        };
        match result {
            Err(Refused::Timeout)
                if listener.continue_on_listener_filters_timeout && self.pending.may_end() =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// Whether the client has said nothing so far, and what it says only decides between filter
    /// chains.
    pub(super) fn may_be_server_first(&self) -> bool {
        !self.pending.is_over() && self.pending.proxy.is_none() && self.findings.early.is_empty()
    }

    /// What was found.
    pub(super) fn findings(&self) -> &Findings {
        &self.findings
    }

    /// What was found, at the end.
    pub(super) fn into_findings(self) -> Findings {
        self.findings
    }

    /// Goes on where it was when it is dropped and called again.
    async fn look(&mut self, stream: &mut TcpStream) -> Result<(), Refused> {
        let Self { pending, findings } = self;
        if pending.is_over() {
            return Ok(());
        }
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
                return may_end(pending);
            }
            decide(pending, findings)?;
            if pending.is_over() {
                return Ok(());
            }
            if findings.early.len() >= MOST_BYTES {
                return may_end(pending);
            }
        }
    }
}

/// Who must send a PROXY protocol header is not served before it is complete: its bytes would pass
/// for the client's, and the sender's address for the client's.
fn may_end(pending: &Pending) -> Result<(), Refused> {
    if pending.may_end() {
        Ok(())
    } else {
        Err(Refused::ProxyHeader)
    }
}

fn decide(pending: &mut Pending, findings: &mut Findings) -> Result<(), Refused> {
    if let Some(expected) = &pending.proxy {
        match expected.read(&findings.early) {
            ProxyHeader::Incomplete => return Ok(()),
            ProxyHeader::Absent if expected.optional => {}
            ProxyHeader::Absent | ProxyHeader::Invalid => return Err(Refused::ProxyHeader),
            ProxyHeader::Present {
                length, addresses, ..
            } => {
                expected.note(&findings.early[..length], &mut findings.metadata);
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
