//! Secrets for a stock Envoy, over a Unix socket: the secret discovery service in both variants.
//!
//! In: the workload's certificate. Out: the secrets `default` and `ROOTCA`, and certificates from
//! files under `file-cert:CERT~KEY` and `file-root:CA`. A subscriber gets nothing before there is
//! a certificate: an empty answer would make Envoy drop its listeners' warming.

mod resources;
mod stream;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferromesh_runtime::Published;
use ferromesh_xds::transport::server::{Routes, serve_connection};
use tokio::net::UnixListener;
use tracing::debug;

use crate::certificate::WorkloadCertificate;

/// The published certificate.
pub(crate) type CertificateReader = Published<Option<Arc<WorkloadCertificate>>>;

/// The bound socket.
#[derive(Debug)]
pub struct SecretServer {
    listener: UnixListener,
    certificate: CertificateReader,
}

impl SecretServer {
    /// Binds the socket; one left by an earlier run is replaced.
    ///
    /// # Errors
    /// When the folder cannot be made or the path is too long for a socket.
    pub fn bind(path: &Path, certificate: CertificateReader) -> io::Result<Self> {
        Ok(Self {
            listener: bind_socket(path)?,
            certificate,
        })
    }

    /// Serves for as long as the process runs.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn run(self) -> io::Result<()> {
        let certificate = self.certificate;
        let handler = Arc::new(move |open| {
            let served = stream::serve(open, certificate.clone());
            tokio::spawn(async move {
                if let Err(reason) = served.await {
                    debug!(reason, "a secrets stream ended");
                }
            });
            Ok(())
        });
        let routes = Arc::new(Routes::new().secret_discovery(handler));
        accept(self.listener, routes).await
    }
}

/// Binds a Unix socket that every user of the pod may connect to: the sidecar's processes share a
/// user, and a stock Envoy may run as another one.
pub(crate) fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(named)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(named)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o660);
    std::fs::set_permissions(path, mode).map_err(named)?;
    Ok(listener)
}

/// Serves gRPC on every connection.
pub(crate) async fn accept(listener: UnixListener, routes: Arc<Routes>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let routes = Arc::clone(&routes);
        tokio::spawn(async move {
            let peer = http::Extensions::new();
            let serving = serve_connection(stream, routes, peer, std::future::pending());
            if let Err(error) = serving.await {
                debug!(%error, "a connection to the agent's socket broke");
            }
        });
    }
}

/// Where the socket is.
pub fn socket_path(root: &Path, file: &str) -> PathBuf {
    root.join("var/run/secrets/workload-spiffe-uds").join(file)
}

#[cfg(test)]
mod tests;
