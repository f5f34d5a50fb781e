//! What is known about a downstream connection once a filter chain has it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ferromesh_tls::{PeerCertificate, Session};
use ferromesh_types::Str;

use crate::access_log::LogRecord;
use crate::compiled::{AskedFor, FilterChain, Listener};
use crate::metadata::Metadata;
use crate::worker::{Gate, Worker};

/// A downstream connection. Shared by the requests on it.
pub(crate) struct Connection {
    /// A number unique in the process.
    pub(crate) id: u64,
    /// The listener that serves it.
    pub(crate) listener: Arc<Listener>,
    /// The chain that serves it.
    pub(crate) chain: Arc<FilterChain>,
    /// Where the client wanted to go: the original destination after redirection.
    pub(crate) destination: SocketAddr,
    /// The client: the peer of the socket, or whom a PROXY protocol header names.
    pub(crate) peer: SocketAddr,
    /// Both ends of the socket.
    pub(crate) socket: Socket,
    /// The server name of the TLS hello; empty without.
    pub(crate) server_name: Str,
    /// The port that goes with the server name, where a filter says it.
    pub(crate) named_port: Option<u16>,
    /// TLS, where it was terminated here.
    pub(crate) tls: Option<TlsPeer>,
    /// What filters noted about it.
    pub(crate) metadata: Metadata,
    /// Opens when the chain has left the config.
    pub(crate) chain_gate: Rc<Gate>,
    /// Opens when the process drains.
    pub(crate) process_gate: Rc<Gate>,
}

/// The ends of a downstream socket, whatever a redirection or a PROXY header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    /// Ours.
    pub(crate) local: SocketAddr,
    /// The other.
    pub(crate) peer: SocketAddr,
}

/// What TLS with the client established.
pub(crate) struct TlsPeer {
    /// How long after the connection was accepted.
    pub(crate) after: Duration,
    /// What the handshake established.
    pub(crate) session: Session,
    /// The protocol that ALPN agreed on.
    pub(crate) alpn: Option<Vec<u8>>,
}

impl Connection {
    /// A connection of (client, where it wanted to go) in clear text.
    pub(super) fn plain(
        worker: &Worker,
        listener: &Arc<Listener>,
        chain: Arc<FilterChain>,
        (peer, destination): (SocketAddr, SocketAddr),
        socket: Socket,
    ) -> Self {
        Self {
            id: worker.connection_id(),
            listener: Arc::clone(listener),
            chain_gate: worker.chain_gate(&chain),
            process_gate: Rc::clone(&worker.draining),
            chain,
            destination,
            peer,
            socket,
            server_name: Str::default(),
            named_port: None,
            tls: None,
            metadata: Metadata::default(),
        }
    }

    /// What the client asks for, where it chooses its endpoint: `host`, or the address.
    pub(crate) fn asks_for<'a>(&self, host: &'a str) -> AskedFor<'a> {
        AskedFor {
            destination: self.destination,
            host,
            port: self.named_port,
        }
    }

    /// Whether the connection is to end soon, with the request that it serves now.
    pub(crate) fn is_draining(&self) -> bool {
        self.chain_gate.has_begun() || self.process_gate.has_begun()
    }

    /// Resolves when it is to end.
    pub(crate) async fn drain_begun(&self) {
        tokio::select! {
            () = self.chain_gate.begun() => {}
            () = self.process_gate.begun() => {}
        }
    }

    /// Whether the client used TLS towards us.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What an access log knows of the connection itself.
    pub(crate) fn record(&self) -> LogRecord<'_> {
        LogRecord {
            downstream_local: Some(self.destination),
            downstream_remote: Some(self.peer),
            downstream_direct_remote: Some(self.socket.peer),
            downstream_direct_local: Some(self.socket.local),
            server_name: &self.server_name,
            listener: &self.listener.name,
            filter_chain: &self.chain.name,
            connection_id: self.id,
            handshake_duration: self.tls.as_ref().map(|tls| tls.after),
            tls: self.tls.as_ref().map(|tls| &tls.session),
            metadata: Some(&self.metadata),
            ..LogRecord::default()
        }
    }

    /// The client's certificate, over mutual TLS.
    pub(crate) fn peer_certificate(&self) -> Option<&PeerCertificate> {
        self.tls.as_ref()?.session.peer.as_ref()
    }
}
