//! Accepting discovery streams: authenticate, read the first request, check the node, serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ferromesh_ca::Caller;
use ferromesh_runtime::DrainSignal;
use ferromesh_translate::proxy_of;
use ferromesh_types::Str;
use ferromesh_xds::transport::server::{OpenStream, Outgoing};
use tokio::time::timeout;
use tonic::Status;
use tracing::{debug, warn};

use super::authenticate::{Authenticator, Peer, may_speak_for};
use crate::control_plane::ControlPlane;
use crate::push::connection::{Connection, ConnectionGuard};

/// A stream whose first request does not come is of no use to anybody.
const FIRST_REQUEST: Duration = Duration::from_secs(30);

/// Serves the discovery streams of a port.
#[derive(Debug)]
pub(crate) struct StreamServer {
    plane: Arc<ControlPlane>,
    authenticator: Arc<Authenticator>,
    check_identity: bool,
    drain: DrainSignal,
    numbers: AtomicU64,
}

impl StreamServer {
    /// Serves streams until the drain begins. With `check_identity` an authenticated caller must be
    /// the proxy that it says it is.
    pub(crate) fn new(
        plane: Arc<ControlPlane>,
        authenticator: Arc<Authenticator>,
        check_identity: bool,
        drain: DrainSignal,
    ) -> Self {
        Self {
            plane,
            authenticator,
            check_identity,
            drain,
            numbers: AtomicU64::new(0),
        }
    }

    /// Takes a stream over.
    pub(crate) fn accept(self: &Arc<Self>, stream: OpenStream) -> Result<(), Status> {
        if !self.plane.is_ready() {
            return Err(Status::unavailable("the config is not read yet"));
        }
        let peer = Peer::of(&stream.extensions);
        let caller = if peer.is_some_and(|peer| peer.must_authenticate) {
            let caller = self.authenticator.caller(peer, &stream.headers);
            Some(caller.map_err(|error| {
                warn!(peer = %peer.map(|p| p.address.clone()).unwrap_or_default(), %error, "stream refused");
                Status::unauthenticated(error.to_string())
            })?)
        } else {
            None
        };
        let server = Arc::clone(self);
        tokio::spawn(async move { server.serve(stream, caller).await });
        Ok(())
    }

    async fn serve(&self, mut stream: OpenStream, caller: Option<Caller>) {
        let first = match timeout(FIRST_REQUEST, stream.requests.next()).await {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) => return,
            Ok(Err(status)) => {
                debug!(%status, "a stream broke before its first request");
                return;
            }
            Err(_) => return refuse(stream, Status::deadline_exceeded("no request came")).await,
        };
        let Some(node) = first.node() else {
            let status = Status::invalid_argument("the first request must name the node");
            return refuse(stream, status).await;
        };
        let proxy = match proxy_of(node) {
            Ok(proxy) => proxy,
            Err(error) => {
                warn!(%error, "stream refused");
                return refuse(stream, Status::invalid_argument(error.to_string())).await;
            }
        };
        if self.check_identity
            && let Some(caller) = &caller
            && let Err(reason) = may_speak_for(caller, &proxy.0)
        {
            warn!(proxy = %proxy.0.id, reason, "stream refused");
            return refuse(stream, Status::unauthenticated(reason)).await;
        }
        let number = self.numbers.fetch_add(1, Relaxed) + 1;
        let id: Str = format!("{}-{number}", proxy.0.id).into();
        let peer = Peer::of(&stream.extensions).map(|peer| peer.address.clone());
        let connection = Arc::new(Connection::new(
            &self.plane,
            stream.variant,
            id,
            peer.unwrap_or_default(),
            proxy,
        ));
        let _connected = ConnectionGuard::new(&self.plane, Arc::clone(&connection));
        let drain = self.drain.clone();
        connection
            .run(&self.plane, first, stream.requests, stream.responses, drain)
            .await;
    }
}

async fn refuse(stream: OpenStream, status: Status) {
    // A client that is gone already needs no reason.
    let _ = stream.responses.send(Outgoing::Failed(status)).await;
}
