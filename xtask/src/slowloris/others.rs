//! Clients that ask at a fixed rate and want their answers soon.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections that the requests are spread over; each is kept.
const CONNECTIONS: u32 = 8;
/// An answer that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a proxy may take to begin to serve.
const START: Duration = Duration::from_secs(30);

/// How long answers took.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    millis: Vec<f64>,
    pub failed: usize,
}

impl Latencies {
    pub fn add(&mut self, other: Self) {
        self.millis.extend(other.millis);
        self.failed += other.failed;
    }

    pub fn total(&self) -> usize {
        self.millis.len() + self.failed
    }

    /// The time within which that many percent of the answers came, in milliseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.millis.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() as f64 * percent / 100.0) as usize;
        let last = sorted.len().saturating_sub(1);
        sorted.get(place.min(last)).copied().unwrap_or(f64::NAN)
    }
}

/// Waits until a request gets its answer.
pub async fn wait_until_served(address: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < START {
        if let Ok(stream) = TcpStream::connect(address).await {
            return ask(&mut BufReader::new(stream)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the proxy does not listen on {address}")
}

/// Asks for `time`; a request is due at its moment whether the one before has its answer or not, so
/// that a pause of the proxy is felt by all that fall into it.
pub async fn ask_at_a_rate(
    address: SocketAddr,
    rate: u32,
    time: Duration,
) -> anyhow::Result<Latencies> {
    let pace = Duration::from_secs(u64::from(CONNECTIONS)) / rate;
    let begin = Instant::now() + Duration::from_millis(100);
    let mut clients = JoinSet::new();
    for index in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let first = begin + pace * index / CONNECTIONS;
        clients.spawn(client(BufReader::new(stream), first, pace, begin + time));
    }
    let mut all = Latencies::default();
    while let Some(seen) = clients.join_next().await {
        all.add(seen.context("a client")?);
    }
    Ok(all)
}

async fn client(
    mut stream: BufReader<TcpStream>,
    mut due: Instant,
    pace: Duration,
    end: Instant,
) -> Latencies {
    let mut seen = Latencies::default();
    while due < end {
        tokio::time::sleep_until(due).await;
        match tokio::time::timeout(PATIENCE, ask(&mut stream)).await {
            Ok(Ok(())) => seen.millis.push(due.elapsed().as_secs_f64() * 1000.0),
            _ => {
                seen.failed += 1;
                return seen;
            }
        }
        due += pace;
    }
    seen
}

async fn ask(stream: &mut BufReader<TcpStream>) -> anyhow::Result<()> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: others\r\n\r\n")
        .await?;
    let (mut line, mut length) = (String::new(), 0);
    stream.read_line(&mut line).await?;
    ensure!(line.starts_with("HTTP/1.1 200 "), "the answer was {line:?}");
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "cut off");
        let field = line.to_ascii_lowercase();
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(())
}
