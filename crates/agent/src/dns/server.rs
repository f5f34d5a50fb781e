//! The sockets of the DNS proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferromesh_net::{ListenError, SocketShelf};
use ferromesh_runtime::Published;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tracing::debug;

use super::answer::{Reply, reply};
use super::forward::{Forwarder, read_framed, write_framed};
use super::table::NameIndex;

/// Queries that may wait for other servers at a time.
const WAITING: usize = 1024;
/// TCP connections at a time.
const CONNECTIONS: usize = 256;
/// How long a TCP connection may be idle (RFC 7766 asks for seconds).
const IDLE: Duration = Duration::from_secs(8);
/// Queries over UDP are never longer than what EDNS clients announce in practice.
const QUERY: usize = 4096;

/// Why the proxy cannot listen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DnsError {
    /// Over TCP.
    #[error("DNS over TCP: {0}")]
    Tcp(#[from] ListenError),
    /// Over UDP.
    #[error("cannot listen for DNS on {address}: {reason}")]
    Udp {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        reason: io::Error,
    },
}

/// What the proxy has done so far.
#[derive(Debug, Default)]
pub struct DnsCounters {
    /// Queries that came in.
    pub requests: AtomicU64,
    /// Queries passed on.
    pub forwarded: AtomicU64,
    /// Queries passed on that nobody answered.
    pub failures: AtomicU64,
}

/// The bound sockets.
#[derive(Debug)]
pub struct DnsServer {
    udp: UdpSocket,
    tcp: TcpListener,
    shelf: SocketShelf,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    names: Published<NameIndex>,
    forwarder: Forwarder,
    counters: Arc<DnsCounters>,
    waiting: Semaphore,
    connections: Arc<Semaphore>,
}

impl DnsServer {
    /// Takes UDP and TCP sockets on the same address from `shelf`; with port 0 both get the same
    /// free port.
    ///
    /// # Errors
    /// When an address is taken or not ours.
    pub fn bind(
        address: SocketAddr,
        shelf: &SocketShelf,
        names: Published<NameIndex>,
        forwarder: Forwarder,
        counters: Arc<DnsCounters>,
    ) -> Result<Self, DnsError> {
        let failed = |reason| DnsError::Udp { address, reason };
        let tcp = shelf.listener(address)?.into_tokio().map_err(failed)?;
        let bound = tcp.local_addr().map_err(failed)?;
        let udp = shelf.datagrams(bound).map_err(failed)?;
        let udp = UdpSocket::from_std(udp).map_err(failed)?;
        let shared = Arc::new(Shared {
            names,
            forwarder,
            counters,
            waiting: Semaphore::new(WAITING),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
        });
        Ok(Self {
            udp,
            tcp,
            shelf: shelf.clone(),
            shared,
        })
    }

    /// The address in use.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves, from when this process serves until a successor does or the sockets fail.
    ///
    /// # Errors
    /// The socket's failure.
    pub async fn run(self) -> io::Result<()> {
        self.shelf.serving().await;
        let datagrams = serve_datagrams(Arc::new(self.udp), Arc::clone(&self.shared));
        let streams = serve_streams(self.tcp, self.shared);
        tokio::select! {
            result = async { tokio::try_join!(datagrams, streams) } => result.map(drop),
            () = self.shelf.released() => Ok(()),
        }
    }
}

async fn serve_datagrams(socket: Arc<UdpSocket>, shared: Arc<Shared>) -> io::Result<()> {
    let mut buffer = vec![0; QUERY];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An earlier answer could not be delivered; the socket itself is fine.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer[..length].to_vec();
        let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
        tokio::spawn(async move {
            if let Some(answer) = shared.handle(&bytes, false).await
                && let Err(error) = socket.send_to(&answer, client).await
            {
                debug!(%client, %error, "a DNS answer was not delivered");
            }
        });
    }
}

async fn serve_streams(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    loop {
        // The semaphore is never closed.
        let Ok(turn) = Arc::clone(&shared.connections).acquire_owned().await else {
            return Ok(());
        };
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a client that left early: neither ends the service.
                debug!(%error, "a DNS connection was not accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            serve_stream(stream, &shared).await;
            drop(turn);
        });
    }
}

async fn serve_stream(mut stream: TcpStream, shared: &Shared) {
    loop {
        let Ok(Ok(query)) = tokio::time::timeout(IDLE, read_framed(&mut stream)).await else {
            return;
        };
        let Some(answer) = shared.handle(&query, true).await else {
            return;
        };
        if write_framed(&mut stream, &answer).await.is_err() {
            return;
        }
    }
}

impl Shared {
    /// The answer in wire form; `None` for what is not even a query.
    async fn handle(&self, bytes: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let reply = reply(bytes, &self.names.load(), over_tcp);
        match reply {
            Reply::Silence => None,
            Reply::Answer(answer) => Some(answer),
            Reply::Forward { failure } => {
                let answer = self.forward(bytes, over_tcp).await;
                Some(answer.unwrap_or(failure))
            }
        }
    }

    async fn forward(&self, bytes: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        self.counters.forwarded.fetch_add(1, Ordering::Relaxed);
        let answer = match self.waiting.try_acquire() {
            Ok(_turn) => self.forwarder.ask(bytes, over_tcp).await.ok(),
            Err(_) => None,
        };
        if answer.is_none() {
            self.counters.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

#[cfg(test)]
mod tests;
