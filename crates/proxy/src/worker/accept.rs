//! Accepting connections on one socket.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ferromesh_net::{Listener as Socket, close_queue};
use ferromesh_types::Str;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, error, warn};

use super::gate::Gate;
use super::shard::Worker;
use crate::compiled::OverloadAction;
use crate::listener;

/// Pause after the system has no file descriptors or memory for a connection; without it the loop
/// would spin, because the connection stays in the queue.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// What becomes of the connections that wait in a socket's queue when a worker lets go of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// The socket closes: they are served, because closing would reset them.
    Serve,
    /// The socket lives on with another owner, who accepts them.
    Leave,
}

/// How a worker stops accepting on a socket.
#[derive(Debug, Default)]
pub(super) struct Stop {
    gate: Gate,
    leave: std::cell::Cell<bool>,
}

impl Stop {
    pub(super) fn begin(&self, queue: Queue) {
        self.leave.set(queue == Queue::Leave);
        self.gate.begin();
    }
}

/// Accepts until it is stopped. The listener is looked up by name for every connection, so that
/// each is served by the newest config.
pub(super) async fn accept_connections(
    worker: Rc<Worker>,
    name: Str,
    socket: Socket,
    stop: Rc<Stop>,
) {
    let socket = match socket.into_tokio() {
        Ok(socket) => socket,
        Err(reason) => {
            error!(listener = %name, %reason, "the socket cannot be used");
            return;
        }
    };
    loop {
        let next = next(&worker, &name, &socket);
        tokio::select! {
            biased;
            () = stop.gate.begun() => break,
            accepted = next => if let Some((stream, peer)) = accepted {
                begin(&worker, &name, stream, peer);
            }
        }
    }
    if !stop.leave.get() {
        serve_queue(&worker, &name, socket);
    }
}

/// The next connection; `None` after a pause.
async fn next(
    worker: &Worker,
    name: &str,
    socket: &TcpListener,
) -> Option<(TcpStream, SocketAddr)> {
    if worker
        .overload
        .is_on(OverloadAction::StopAcceptingConnections)
    {
        tokio::time::sleep(EXHAUSTED_PAUSE).await;
        return None;
    }
    match socket.accept().await {
        Ok(accepted) => Some(accepted),
        Err(reason) if is_of_one_connection(&reason) => None,
        Err(reason) => {
            warn!(listener = %name, %reason, "cannot accept; pausing");
            tokio::time::sleep(EXHAUSTED_PAUSE).await;
            None
        }
    }
}

fn begin(worker: &Rc<Worker>, name: &str, stream: TcpStream, peer: SocketAddr) {
    let config = worker.config.load();
    let Some(listener) = config.listeners.named(name).cloned() else {
        return;
    };
    drop(config);
    let Some(open) = worker.overload.admit(&listener) else {
        return;
    };
    let connection = listener::serve(Rc::clone(worker), listener, stream, peer);
    worker.spawn(async move {
        connection.await;
        drop(open);
    });
}

/// Takes what waits in the queue of a socket that is about to close.
fn serve_queue(worker: &Rc<Worker>, name: &str, socket: TcpListener) {
    // Not through the runtime: it would first have to hear that there is something to accept.
    let Ok(socket) = socket.into_std() else {
        return;
    };
    if let Err(reason) = close_queue(&socket) {
        debug!(listener = %name, %reason, "who connects just now may be reset");
    }
    while let Ok((stream, peer)) = socket.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            begin(worker, name, stream, peer);
        }
    }
}

/// Errors that concern the connection that was being accepted (accept(2)), not the socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
