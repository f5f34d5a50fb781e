//! Clients that send a byte a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Time between two bytes of a client.
const PACE: Duration = Duration::from_secs(1);

/// Slow clients at work.
pub struct Crowd {
    leaving: Arc<AtomicBool>,
    clients: JoinSet<bool>,
}

impl Crowd {
    /// Connects that many.
    pub async fn gather(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let leaving = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for index in 0..count {
            let stream = TcpStream::connect(address).await;
            let stream = stream.context("a slow client's connection")?;
            clients.spawn(trickle(stream, index, count, Arc::clone(&leaving)));
        }
        Ok(Self { leaving, clients })
    }

    /// Ends all; how many were still connected.
    pub async fn leave(mut self) -> usize {
        self.leaving.store(true, Relaxed);
        let mut stayed = 0;
        while let Some(client) = self.clients.join_next().await {
            stayed += usize::from(client.unwrap_or(false));
        }
        stayed
    }
}

/// Sends a byte of an endless request again and again; false when the proxy hung up.
async fn trickle(
    mut stream: TcpStream,
    index: usize,
    count: usize,
    leaving: Arc<AtomicBool>,
) -> bool {
    let body = index.is_multiple_of(2);
    let head: &[u8] = if body {
        b"POST /slow HTTP/1.1\r\nhost: slow\r\ncontent-length: 1000000\r\n\r\n"
    } else {
        b"GET /slow HTTP/1.1\r\nhost: slow\r\nx-long: "
    };
    if stream.write_all(head).await.is_err() {
        return false;
    }
    // Spread over the pace, so that they do not come all at once.
    let mut next = Instant::now() + PACE.mul_f64(index as f64 / count as f64);
    while !leaving.load(Relaxed) {
        tokio::time::sleep_until(next).await;
        next += PACE;
        if stream.write_all(b"x").await.is_err() {
            return false;
        }
    }
    true
}
