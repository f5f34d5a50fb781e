//! The discovery relay: a stock Envoy connects to a Unix socket and speaks to the control plane
//! through the agent, which adds identity and a subscription of its own.
//!
//! In: Envoy's aggregated discovery stream, either variant. Out: the same messages on a stream to
//! the control plane. After Envoy's first request for listeners the agent asks for the name table
//! on the same stream; its answers end here. A newer stream of Envoy ends the older one. When the
//! control plane's stream ends, Envoy's is ended too, and Envoy comes back with its own backoff.

mod inject;
mod session;

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use ferromesh_xds::transport::server::Routes;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tracing::warn;

use crate::control_plane::ControlPlane;
use crate::metrics::DiscoveryCounters;
use crate::names::NameTableSink;
use crate::sds::{accept, bind_socket};

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    control_plane: ControlPlane,
    /// `None` when there is no DNS proxy to feed.
    names: Option<NameTableSink>,
    counters: Arc<DiscoveryCounters>,
    /// Dropping it ends the session that runs; held only to swap it.
    running: Mutex<Option<oneshot::Sender<()>>>,
}

/// The bound socket.
#[derive(Debug)]
pub struct DiscoveryRelay {
    listener: UnixListener,
    shared: Arc<Shared>,
}

impl DiscoveryRelay {
    /// Binds the socket; one left by an earlier run is replaced.
    ///
    /// # Errors
    /// When the folder cannot be made or the path is too long for a socket.
    pub fn bind(
        path: &Path,
        control_plane: ControlPlane,
        names: Option<NameTableSink>,
        counters: Arc<DiscoveryCounters>,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: bind_socket(path)?,
            shared: Arc::new(Shared {
                control_plane,
                names,
                counters,
                running: Mutex::new(None),
            }),
        })
    }

    /// Relays for as long as the process runs.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn run(self) -> io::Result<()> {
        let shared = self.shared;
        let handler = Arc::new(move |open| {
            let shared = Arc::clone(&shared);
            let (alive, ended) = oneshot::channel();
            let mut running = shared
                .running
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *running = Some(alive);
            drop(running);
            tokio::spawn(async move {
                shared.counters.connections.fetch_add(1, Ordering::Relaxed);
                let session = Box::pin(session::run(open, &shared));
                let outcome = tokio::select! {
                    outcome = session => outcome,
                    _ = ended => Ok(()),
                };
                if let Err(reason) = outcome {
                    shared.counters.failures.fetch_add(1, Ordering::Relaxed);
                    warn!(reason, "discovery stream ended");
                }
            });
            Ok(())
        });
        accept(
            self.listener,
            Arc::new(Routes::new().aggregated_discovery(handler)),
        )
        .await
    }
}

#[cfg(test)]
mod tests;
