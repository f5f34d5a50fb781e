//! Asking other servers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// The largest message that a length field of two bytes can announce.
const LARGEST: usize = 65_535;

/// The servers that are asked.
#[derive(Clone, Debug)]
pub struct Forwarder {
    servers: Vec<SocketAddr>,
    parallel: bool,
    timeout: Duration,
}

impl Forwarder {
    /// Asks `servers` in order, or all at once; each has `timeout` to answer.
    pub fn new(servers: Vec<SocketAddr>, parallel: bool, timeout: Duration) -> Self {
        Self {
            servers,
            parallel,
            timeout,
        }
    }

    /// Sends the query on as it is and returns the answer as it is. `over_tcp` follows the client:
    /// one that got a truncated answer asks again over TCP.
    pub(super) async fn ask(&self, query: &[u8], over_tcp: bool) -> io::Result<Vec<u8>> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no server to forward to");
        if self.parallel {
            let asked = self
                .servers
                .iter()
                .map(|server| self.ask_one(*server, query, over_tcp));
            let mut answers: FuturesUnordered<_> = asked.collect();
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(answer) => return Ok(answer),
                    Err(error) => last = error,
                }
            }
            return Err(last);
        }
        for server in &self.servers {
            match self.ask_one(*server, query, over_tcp).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn ask_one(
        &self,
        server: SocketAddr,
        query: &[u8],
        over_tcp: bool,
    ) -> io::Result<Vec<u8>> {
        let asking = async {
            if over_tcp {
                over_stream(server, query).await
            } else {
                over_datagrams(server, query).await
            }
        };
        tokio::time::timeout(self.timeout, asking).await?
    }
}

/// A socket of its own for each query: a random port is what makes forged answers hard.
async fn over_datagrams(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        // Anything with another id answers another question; wait on for ours.
        if length >= 2 && query.len() >= 2 && answer[..2] == query[..2] {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn over_stream(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, query).await?;
    read_framed(&mut stream).await
}

/// Reads one message behind its two-byte length.
pub(super) async fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Writes one message behind its two-byte length.
pub(super) async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidData, "a message over 64 KiB");
    let length = u16::try_from(message.len()).map_err(too_long)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await
}
