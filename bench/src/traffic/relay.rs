//! The least that a proxy can do: bytes from one socket to another, both ways.
//!
//! Its cost is the floor that the measured proxies are compared with: the system calls and wakes
//! that no user-space proxy can avoid.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A read takes at most so much, which is what the measured proxies read, too.
const STEP: usize = 64 * 1024;

/// Relays until it is killed.
pub async fn run(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    loop {
        let (downstream, _) = listener.accept().await.context("cannot accept")?;
        tokio::spawn(async move {
            // A client or upstream that goes away ends its own connection only.
            let _ = relay(downstream, upstream).await;
        });
    }
}

async fn relay(downstream: TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    let upstream = TcpStream::connect(upstream).await?;
    downstream.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let (down_read, down_write) = downstream.into_split();
    let (up_read, up_write) = upstream.into_split();
    tokio::try_join!(copy(down_read, up_write), copy(up_read, down_write))?;
    Ok(())
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    let mut buffer = vec![0; STEP];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}
