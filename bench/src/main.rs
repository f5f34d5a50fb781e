//! The programs around a measured proxy: a bare relay to compare with, an upstream, load drivers.
//!
//! Each runs on one thread, prints one line of JSON where it has something to say, and ends when it
//! is told to or when its work is done. `cargo xtask bench proxy` starts them.

use std::net::SocketAddr;

use clap::{Parser, Subcommand};
use ferromesh_bench::traffic::{bulk, connect, crowd, hold, rate, relay, spin, upstream};

/// Pieces of the proxy benchmark.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Relay TCP connections to one address; nothing else.
    Relay {
        /// Where to listen.
        listen: SocketAddr,
        /// Where to connect to.
        upstream: SocketAddr,
    },
    /// Answer HTTP/1.1, HTTP/2 (gRPC), and bulk requests.
    Upstream {
        /// HTTP/1.1; `/SIZE` asks for a body of so many bytes.
        http1: SocketAddr,
        /// HTTP/2 without TLS; a request with `te: trailers` is answered as gRPC.
        http2: SocketAddr,
        /// For each byte received, 1 MiB is sent.
        bulk: SocketAddr,
    },
    /// Send HTTP/1.1 requests at a fixed rate and print their latencies.
    Rate(rate::Settings),
    /// Open connection after connection, with one request each.
    Connect(connect::Settings),
    /// Receive 1 MiB after the other on a few connections.
    Bulk(bulk::Settings),
    /// Send a byte a second on each of many connections, until standard input ends.
    Crowd(crowd::Settings),
    /// Keep idle connections, after one request each, until standard input ends.
    Hold(hold::Settings),
    /// Keep a core from sleeping until standard input ends.
    Spin,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match Arguments::parse().command {
            Command::Relay { listen, upstream } => relay::run(listen, upstream).await,
            Command::Upstream { http1, http2, bulk } => upstream::run(http1, http2, bulk).await,
            Command::Rate(settings) => rate::run(&settings).await,
            Command::Connect(settings) => connect::run(settings).await,
            Command::Bulk(settings) => bulk::run(&settings).await,
            Command::Crowd(settings) => crowd::run(&settings).await,
            Command::Hold(settings) => hold::run(&settings).await,
            Command::Spin => spin::run(),
        }
    })
}
