//! Protocols in which the server speaks first (MySQL, SMTP), where inspectors wait for the client.
//!
//! Without a time limit of the listener filters, such a client and such a server would wait for each
//! other for ever. So a silent client's connection is opened to the endpoint of the filter chain that
//! would take it if the inspectors found nothing, and whoever speaks first decides: the server for
//! that chain, the client for the one that its bytes ask for.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::connection::{Connection, Socket};
use super::inspect::{Inspection, Refused};
use super::serve::find_chain;
use crate::compiled::{DownstreamTransport, FilterChain, Listener, TcpProxy, TerminalFilter};
use crate::network_filter::{Opened, admit, open};
use crate::worker::Worker;

/// A client that speaks first sends its first bytes right behind the handshake's last packet, so this
/// is long for it; and it is what a connection of the other kind waits at its beginning.
const SILENCE: Duration = Duration::from_millis(50);

/// The connection that is looked at.
pub(super) struct Asked<'a> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) listener: &'a Arc<Listener>,
    pub(super) destination: SocketAddr,
    pub(super) socket: Socket,
}

/// Looks until it is known which chain takes the connection. What was opened meanwhile is left in
/// `fallback`, with the chain that it was opened for.
pub(super) async fn server_first(
    asked: &Asked<'_>,
    inspection: &mut Inspection,
    stream: &mut TcpStream,
    fallback: &mut Option<(Arc<FilterChain>, Opened)>,
) -> Result<(), Refused> {
    let looking = inspection.run(asked.listener, stream);
    if let Ok(result) = tokio::time::timeout(SILENCE, looking).await {
        return result;
    }
    if !inspection.may_be_server_first() {
        return inspection.run(asked.listener, stream).await;
    }
    let findings = inspection.findings();
    let socket = asked.socket;
    let ends = findings.proxied.unwrap_or((socket.peer, asked.destination));
    let Some(chain) = find_chain(asked.listener, findings, ends, socket) else {
        return inspection.run(asked.listener, stream).await;
    };
    let (DownstreamTransport::Raw, TerminalFilter::TcpProxy(settings)) =
        (&chain.transport, &chain.terminal)
    else {
        return inspection.run(asked.listener, stream).await;
    };
    let (worker, listener) = (asked.worker, asked.listener);
    let connection = Arc::clone(&chain);
    let mut connection = Connection::plain(worker, listener, connection, ends, socket);
    // Nothing is opened for who would be refused; the places are taken anew by who stays.
    let Ok(_slots) = admit(&mut connection).await else {
        return inspection.run(listener, stream).await;
    };
    let mut opened = None;
    let heard = hear(worker, &connection, settings, &mut opened);
    let result = tokio::select! {
        biased;
        result = inspection.run(asked.listener, stream) => result,
        () = heard => Ok(()),
    };
    *fallback = opened.map(|opened| (Arc::clone(&chain), opened));
    result
}

/// Resolves when the server spoke; never when it cannot be reached or has nothing to say.
async fn hear(
    worker: &Rc<Worker>,
    connection: &Connection,
    settings: &TcpProxy,
    opened: &mut Option<Opened>,
) {
    let opening = Box::pin(open(worker, connection, settings)).await;
    if !opened.insert(opening).hear().await {
        *opened = None;
        std::future::pending::<()>().await;
    }
}
