//! Greets with where it runs, then echoes every line: a server that speaks first.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tracing::{info, warn};

/// Settings of the echo.
#[derive(clap::Args, Clone)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:2701")]
    listen: String,
    /// Named in the greeting.
    #[arg(long, env = "NODE_NAME", default_value = "")]
    node: String,
    /// Named in the greeting.
    #[arg(long, env = "POD_NAME", default_value = "")]
    pod: String,
    /// Named in the greeting.
    #[arg(long, env = "POD_NAMESPACE", default_value = "")]
    namespace: String,
    /// Named in the greeting.
    #[arg(long, env = "POD_IP", default_value = "")]
    ip: String,
    /// `true`: say nothing before the client does.
    #[arg(long, env = "NO_GREETING", default_value = "false")]
    no_greeting: String,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let listener = TcpListener::bind(&settings.listen).await?;
    info!(address = %listener.local_addr()?, "listening");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let settings = settings.clone();
                    tokio::spawn(async move {
                        let outcome = echo(stream, &settings).await;
                        info!(%peer, ?outcome, "connection ended");
                    });
                }
                Err(error) => warn!(%error, "cannot accept a connection"),
            },
            _ = terminate.recv() => return Ok(()),
        }
    }
}

async fn echo(stream: TcpStream, settings: &Settings) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    if settings.no_greeting != "true" {
        let greeting = format!(
            "Welcome, you are connected to node {}.\nRunning on Pod {}.\nIn namespace {}.\n\
             With IP address {}.\n",
            settings.node, settings.pod, settings.namespace, settings.ip
        );
        write.write_all(greeting.as_bytes()).await?;
    }
    let mut lines = BufReader::new(read);
    let mut line = Vec::new();
    // Half-close is passed on: when the client has said all, so have we.
    while lines.read_until(b'\n', &mut line).await? > 0 {
        write.write_all(&line).await?;
        line.clear();
    }
    write.shutdown().await
}
