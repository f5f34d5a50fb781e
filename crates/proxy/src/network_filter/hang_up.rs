//! Closing so that the other side notices in order.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::worker::Transport;

/// Bytes that are read away at most: who still sends more does not listen.
const MOST_BYTES: usize = 1 << 20;

/// Ends the sending first and reads on for at most `limit`: closing at once, with bytes unread,
/// would reset the connection and could take from the other side what was sent last.
pub(super) async fn hang_up(transport: &mut Transport, limit: Duration) {
    let closing = async {
        if transport.shutdown().await.is_err() {
            return;
        }
        let mut read = 0;
        let mut buffer = [0; 1024];
        while read < MOST_BYTES {
            match transport.read(&mut buffer).await {
                Ok(count) if count > 0 => read += count,
                _ => return,
            }
        }
    };
    // The time is what ends it in the worst case.
    let _ = tokio::time::timeout(limit, closing).await;
}
