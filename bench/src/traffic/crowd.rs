//! Clients that send a byte a second, and the endpoint that reads what the proxy passes on.

use std::io::{Write as _, sink, stdin};
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Time between two bytes of a client.
const PACE: Duration = Duration::from_secs(1);

/// Who, and where to.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    /// The proxy.
    address: SocketAddr,
    /// Where the proxy is to send `/slow`.
    endpoint: SocketAddr,
    /// How many; every other one has sent its whole head and sends a body.
    #[arg(long, default_value_t = 5000)]
    clients: usize,
}

/// Said when all are connected, and again at the end.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Present {
    /// How many are connected.
    pub clients: usize,
}

/// Connects all, prints [`Present`], sends until standard input ends, and prints who is still there.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let listener = TcpListener::bind(settings.endpoint)
        .await
        .with_context(|| format!("cannot listen on {}", settings.endpoint))?;
    tokio::spawn(swallow(listener));
    let mut clients = Vec::new();
    for index in 0..settings.clients {
        let mut stream = TcpStream::connect(settings.address)
            .await
            .context("a slow client's connection")?;
        stream.write_all(head(index)).await?;
        clients.push(Some(stream.into_std()?));
    }
    super::say(&Present {
        clients: clients.len(),
    })?;
    let leaving = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&leaving);
    let sending = tokio::task::spawn_blocking(move || trickle(clients, &until));
    tokio::task::spawn_blocking(|| std::io::copy(&mut stdin().lock(), &mut sink())).await??;
    leaving.store(true, Relaxed);
    super::say(&Present {
        clients: sending.await?,
    })
}

/// What a client sends before its bytes; every other one is in its body from then on.
fn head(index: usize) -> &'static [u8] {
    if index.is_multiple_of(2) {
        b"POST /slow HTTP/1.1\r\nhost: slow\r\ncontent-length: 1000000\r\n\r\n"
    } else {
        b"GET /slow HTTP/1.1\r\nhost: slow\r\nx-long: "
    }
}

/// Sends a byte of each client in turn, spread evenly over the pace: a runtime's timers would let
/// those of a millisecond send together. It does not sleep in between, which at idle priority takes
/// nothing from others and keeps the core awake. How many the proxy has not hung up on.
fn trickle(mut clients: Vec<Option<StdTcpStream>>, leaving: &AtomicBool) -> usize {
    let step = PACE / u32::try_from(clients.len().max(1)).unwrap_or(u32::MAX);
    let mut next = Instant::now();
    while !leaving.load(Relaxed) {
        for client in &mut clients {
            next += step;
            while Instant::now() < next {
                std::thread::yield_now();
            }
            let sent = client.as_ref().map(|mut stream| stream.write_all(b"x"));
            if let Some(Err(_)) = sent {
                *client = None;
            }
        }
    }
    clients.iter().flatten().count()
}

/// Reads and never answers.
async fn swallow(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut bytes = [0; 1024];
            while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
        });
    }
}
