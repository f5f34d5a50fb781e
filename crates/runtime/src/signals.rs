//! Process signals as futures.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at SIGTERM.
///
/// # Errors
/// When the handler cannot be installed.
pub async fn terminated() -> std::io::Result<()> {
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}

/// Resolves at SIGTERM or SIGINT (Ctrl-C).
///
/// # Errors
/// When a handler cannot be installed.
pub async fn terminated_or_interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
