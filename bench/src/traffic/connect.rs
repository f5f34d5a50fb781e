//! New connections, one after the other on each of a few lanes, with one request each; over TLS
//! with full handshakes or with resumed ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferromesh_tls::{ClientSettings, SecretStore, ServerTrust, TlsClient, TlsVersion};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::http1::Asking;

/// What to open.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    /// Where to.
    address: SocketAddr,
    /// With TLS: a full handshake per connection, or one that resumes the lane's last session.
    #[arg(long)]
    tls: Option<Handshake>,
    /// Connections at a time.
    #[arg(long, default_value_t = 8)]
    lanes: u32,
    /// How long.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

/// How TLS begins.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// With certificate and signature.
    Full,
    /// With the ticket of an earlier connection.
    Resumed,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Opened {
    /// Connections with an answer.
    pub requests: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Opens connections and prints [`Opened`].
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    ferromesh_tls::install_default_provider();
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(settings.seconds);
    let mut lanes = JoinSet::new();
    for _ in 0..settings.lanes {
        lanes.spawn(lane(settings.address, settings.tls, end));
    }
    let mut opened = Opened::default();
    while let Some(ended) = lanes.join_next().await {
        opened.requests += ended??;
    }
    opened.seconds = begun.elapsed().as_secs_f64();
    super::say(&opened)
}

async fn lane(address: SocketAddr, tls: Option<Handshake>, end: Instant) -> anyhow::Result<u64> {
    let mut requests = 0;
    let mut client = None;
    while Instant::now() < end {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match tls {
            None => Asking::new(stream, "bench", "/64", true).ask().await?,
            Some(handshake) => {
                if handshake == Handshake::Full {
                    client = None;
                }
                let client = client.get_or_insert_with(unverified);
                let stream = client.connect(stream, Some("bench.example"), None).await?;
                Asking::new(stream, "bench", "/64", true).ask().await?;
            }
        }
        requests += 1;
    }
    Ok(requests)
}

/// A client without memory of earlier sessions. It trusts anyone: the certificate is not what is
/// measured, and checking it costs the driver's core.
fn unverified() -> Arc<TlsClient> {
    let mut settings = ClientSettings::new("none");
    settings.trust = ServerTrust::Unverified;
    settings.verify_host = false;
    settings.parameters.min = TlsVersion::V1_3;
    Arc::new(TlsClient::new(settings, SecretStore::new()))
}
