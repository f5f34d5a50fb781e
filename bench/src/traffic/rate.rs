//! Requests at a fixed rate, for latencies: each counts from the time at which it was due, so that
//! a stall shows in all requests that it delayed (no coordinated omission).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::http1::Asking;

/// What to send.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    /// Where to.
    address: SocketAddr,
    /// The `Host` field.
    #[arg(long, default_value = "bench")]
    host: String,
    /// The path.
    #[arg(long, default_value = "/64")]
    path: String,
    /// Requests a second, over all connections.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Kept connections.
    #[arg(long, default_value_t = 16)]
    connections: u32,
    /// How long.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Latencies {
    /// Answers.
    pub requests: usize,
    /// Half of them came sooner.
    pub p50_ms: f64,
    /// 99 % of them came sooner.
    pub p99_ms: f64,
}

/// Sends the requests and prints [`Latencies`].
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let interval = f64::from(settings.connections) / f64::from(settings.rate);
    let begin = Instant::now() + Duration::from_millis(50);
    let mut tasks = JoinSet::new();
    for index in 0..settings.connections {
        let offset = interval * f64::from(index) / f64::from(settings.connections);
        let begin = begin + Duration::from_secs_f64(offset);
        tasks.spawn(one(
            settings.clone(),
            begin,
            Duration::from_secs_f64(interval),
        ));
    }
    let mut micros = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        micros.extend(ended??);
    }
    micros.sort_unstable();
    let latencies = Latencies {
        requests: micros.len(),
        p50_ms: percentile(&micros, 0.5),
        p99_ms: percentile(&micros, 0.99),
    };
    super::say(&latencies)
}

async fn one(settings: Settings, begin: Instant, interval: Duration) -> anyhow::Result<Vec<u64>> {
    let stream = TcpStream::connect(settings.address).await?;
    stream.set_nodelay(true)?;
    let mut asking = Asking::new(stream, &settings.host, &settings.path, false);
    // The first request makes the proxy's upstream connection and is not counted.
    asking.ask().await?;
    let end = begin + Duration::from_secs_f64(settings.seconds);
    let mut micros = Vec::new();
    let mut due = begin;
    while due < end {
        tokio::time::sleep_until(due.into()).await;
        // The timer wakes on whole milliseconds; what it is late by is not the proxy's.
        let sent = Instant::now().max(due);
        let late = sent.duration_since(due) > Duration::from_millis(2);
        asking.ask().await?;
        let since = if late { due } else { sent };
        micros.push(since.elapsed().as_micros() as u64);
        due += interval;
    }
    Ok(micros)
}

fn percentile(sorted: &[u64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted
        .get(index)
        .map_or(0.0, |micros| *micros as f64 / 1000.0)
}
