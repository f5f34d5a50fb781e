//! Serving a router on a port.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use ferromesh_net::{ListenError, SocketShelf};
use thiserror::Error;

/// Why a port cannot be served.
#[derive(Debug, Error)]
#[error("serving {what}: {reason}")]
pub struct StatusError {
    what: &'static str,
    reason: ServeError,
}

#[derive(Debug, Error)]
enum ServeError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Socket(#[from] io::Error),
}

/// Serves on a socket of `shelf`, from when this process serves until a successor does. `what`
/// names the service in errors. Resolves with the bound address and the service, so that the caller
/// knows that the port is open.
///
/// # Errors
/// When the port is taken; later, when the socket fails.
pub fn serve(
    what: &'static str,
    address: SocketAddr,
    router: Router,
    shelf: &SocketShelf,
) -> Result<
    (
        SocketAddr,
        impl Future<Output = Result<(), StatusError>> + Send + use<>,
    ),
    StatusError,
> {
    let failed = move |reason: ServeError| StatusError { what, reason };
    let listener = shelf
        .listener(address)
        .map_err(|reason| failed(reason.into()))?;
    let socket_failed = move |reason: io::Error| failed(reason.into());
    let listener = listener.into_tokio().map_err(socket_failed)?;
    let bound = listener.local_addr().map_err(socket_failed)?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let shelf = shelf.clone();
    let serving = async move {
        shelf.serving().await;
        let stop = async move { shelf.released().await };
        let server = axum::serve(listener, service).with_graceful_shutdown(stop);
        server.await.map_err(socket_failed)
    };
    Ok((bound, serving))
}
