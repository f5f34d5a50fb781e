//! Idle connections, to see what memory they take.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use super::http1::Asking;

/// What to keep.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    /// Where to.
    address: SocketAddr,
    /// How many.
    #[arg(long, default_value_t = 1000)]
    connections: u32,
}

/// Said when all are there.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Held {
    /// How many.
    pub connections: usize,
}

/// Opens the connections, prints [`Held`], and keeps them until standard input ends.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut kept = Vec::new();
    for _ in 0..settings.connections {
        let stream = TcpStream::connect(settings.address).await?;
        let mut asking = Asking::new(stream, "bench", "/64", false);
        asking.ask().await?;
        kept.push(asking);
    }
    super::say(&Held {
        connections: kept.len(),
    })?;
    // Nothing else is to be done on this thread, so that it may block.
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
    Ok(())
}
