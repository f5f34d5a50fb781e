//! Fixed bytes, then the end.

use tokio::io::AsyncWriteExt;

use crate::worker::Transport;

/// Writes `answer` and closes.
pub(crate) async fn direct_response(mut transport: Transport, answer: &[u8]) {
    // A client that does not read its answer is its own concern.
    if transport.write_all(answer).await.is_ok() {
        let _ = transport.shutdown().await;
    }
}
