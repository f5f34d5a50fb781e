//! Bulk bytes from upstream through the proxy.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::upstream::BULK;

/// A read takes at most so much.
const STEP: usize = 256 * 1024;

/// What to receive.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    /// Where from.
    address: SocketAddr,
    /// Connections.
    #[arg(long, default_value_t = 4)]
    connections: u32,
    /// How long.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

/// What came.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Received {
    /// Bytes.
    pub bytes: u64,
}

/// Receives, and prints [`Received`].
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs_f64(settings.seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..settings.connections {
        tasks.spawn(one(settings.address, end));
    }
    let mut received = Received::default();
    while let Some(ended) = tasks.join_next().await {
        received.bytes += ended??;
    }
    super::say(&received)
}

async fn one(address: SocketAddr, end: Instant) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    let mut buffer = vec![0; STEP];
    let mut bytes = 0;
    while Instant::now() < end {
        stream.write_all(b"x").await?;
        let mut left = BULK;
        while left > 0 {
            let most = left.min(STEP);
            let count = stream.read(&mut buffer[..most]).await?;
            anyhow::ensure!(count > 0, "the connection closed before the end");
            left -= count;
            bytes += count as u64;
        }
    }
    Ok(bytes)
}
