//! Serving a router on a port.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use thiserror::Error;
use tokio::net::TcpListener;

/// Why a port cannot be served.
#[derive(Debug, Error)]
#[error("serving {what} on {address}: {reason}")]
pub struct StatusError {
    what: &'static str,
    address: SocketAddr,
    reason: io::Error,
}

/// Serves until `stop` resolves. `what` names the service in errors. Resolves with the bound
/// address and the service, so that the caller knows that the port is open.
///
/// # Errors
/// When the port is taken; later, when the socket fails.
pub async fn serve(
    what: &'static str,
    address: SocketAddr,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<
    (
        SocketAddr,
        impl Future<Output = Result<(), StatusError>> + Send,
    ),
    StatusError,
> {
    let failed = move |reason| StatusError {
        what,
        address,
        reason,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = async move {
        let server = axum::serve(listener, service).with_graceful_shutdown(stop);
        server.await.map_err(failed)
    };
    Ok((bound, serving))
}
