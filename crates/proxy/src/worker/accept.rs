//! Accepting connections on one socket.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use ferromesh_net::Listener as Socket;
use ferromesh_types::Str;
use tracing::{error, warn};

use super::shard::Worker;
use crate::listener;

/// Pause after the system has no file descriptors or memory for a connection; without it the loop
/// would spin, because the connection stays in the queue.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until it is aborted. The listener is looked up by name for every connection, so that
/// each is served by the newest config.
pub(super) async fn accept_connections(worker: Rc<Worker>, name: Str, socket: Socket) {
    let socket = match socket.into_tokio() {
        Ok(socket) => socket,
        Err(reason) => {
            error!(listener = %name, %reason, "the socket cannot be used");
            return;
        }
    };
    loop {
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(reason) if is_of_one_connection(&reason) => continue,
            Err(reason) => {
                warn!(listener = %name, %reason, "cannot accept; pausing");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                continue;
            }
        };
        let config = worker.config.load();
        let Some(listener) = config.listeners.named(&name).cloned() else {
            continue;
        };
        drop(config);
        if Socket::prepare(&stream, None).is_err() {
            // The client has gone already.
            continue;
        }
        worker.spawn(listener::serve(Rc::clone(&worker), listener, stream, peer));
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
