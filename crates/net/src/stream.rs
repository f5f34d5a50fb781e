//! A connected socket of either family, and its keep-alive settings.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::address::Address;

/// TCP keep-alive probes; a part that is absent keeps the kernel's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeepAlive {
    /// Idle time before the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Unanswered probes before the connection is given up.
    pub probes: Option<u32>,
}

impl KeepAlive {
    pub(crate) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        let mut settings = TcpKeepalive::new();
        if let Some(time) = self.time {
            settings = settings.with_time(time);
        }
        if let Some(interval) = self.interval {
            settings = settings.with_interval(interval);
        }
        if let Some(probes) = self.probes {
            settings = settings.with_retries(probes);
        }
        socket.set_tcp_keepalive(&settings)
    }
}

/// A connected stream socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

impl Stream {
    /// This end.
    pub fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(stream) => stream.local_addr().map(Address::Ip),
            Self::Unix(stream) => stream.local_addr().map(|address| unix(&address)),
        }
    }

    /// The other end.
    pub fn peer_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map(Address::Ip),
            Self::Unix(stream) => stream.peer_addr().map(|address| unix(&address)),
        }
    }

    /// Reads what is there without waiting; `WouldBlock` when nothing is.
    pub fn try_read(&self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(out),
            Self::Unix(stream) => stream.try_read(out),
        }
    }

    /// Whether nothing has come from the other end, not even its end. Asks the kernel, whatever the
    /// runtime knows by now.
    pub fn is_silent(&self) -> bool {
        let look = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let looked = match self {
            Self::Tcp(stream) => recv(stream, &mut [0; 1], look),
            Self::Unix(stream) => recv(stream, &mut [0; 1], look),
        };
        looked.is_err_and(|error| error == Errno::WOULDBLOCK)
    }

    /// Makes the close abortive: the peer sees a reset instead of an orderly end.
    pub fn reset_on_close(&self) {
        if let Self::Tcp(stream) = self {
            // A socket that cannot be told closes in order, which is the safe other choice.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

fn unix(address: &tokio::net::unix::SocketAddr) -> Address {
    let path = address.as_pathname();
    Address::Unix(Arc::from(path.unwrap_or_else(|| std::path::Path::new("@"))))
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, out),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets have no buffer of their own to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn an_end_that_the_runtime_has_not_seen_yet_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        for ends in [true, false] {
            let stream = TcpStream::connect(address).await.expect("it listens");
            let stream = Stream::from(stream);
            let (mut far, _) = listener.accept().expect("it came");
            assert!(stream.is_silent());
            if ends {
                drop(far);
            } else {
                far.write_all(b"x").expect("open");
            }
            // No turn of the runtime between: only the kernel can know.
            assert!(!stream.is_silent());
        }
    }
}
