//! Outgoing connections with their socket settings. The connect timeout is the caller's.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpSocket, UnixStream};

use crate::address::Address;
use crate::stream::{KeepAlive, Stream};

/// How to open a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectSettings {
    /// Local address to connect from; ignored when its family differs from the peer's.
    pub source: Option<SocketAddr>,
    /// Connect from an address that is not local (`IP_TRANSPARENT`).
    pub transparent: bool,
    /// `SO_MARK`, for redirection rules that exempt the proxy.
    pub mark: Option<u32>,
    /// TCP keep-alive.
    pub keep_alive: Option<KeepAlive>,
}

/// Connects to `peer`. Small writes are sent at once (`TCP_NODELAY`).
///
/// # Errors
/// What the kernel says: refused, unreachable, no such Unix socket, not permitted to set an option.
pub async fn connect(peer: &Address, settings: &ConnectSettings) -> io::Result<Stream> {
    let address = match peer {
        Address::Unix(path) => return Ok(Stream::Unix(UnixStream::connect(path).await?)),
        Address::Ip(address) => *address,
    };
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    if let Some(keep_alive) = &settings.keep_alive {
        keep_alive.apply(&SockRef::from(&socket))?;
    }
    if let Some(mark) = settings.mark {
        socket.set_mark(mark)?;
    }
    if let Some(source) = settings.source
        && source.is_ipv4() == address.is_ipv4()
    {
        if settings.transparent {
            if source.is_ipv4() {
                socket.set_ip_transparent_v4(true)?;
            } else {
                socket.set_ip_transparent_v6(true)?;
            }
        }
        socket.bind(&source.into())?;
    }
    // The conversion only carries the descriptor: tokio does the connecting.
    let socket = TcpSocket::from_std_stream(socket.into());
    Ok(Stream::Tcp(socket.connect(address).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{ListenSettings, Listener};

    #[tokio::test]
    async fn a_connection_comes_from_the_source_address_that_was_asked_for() {
        let listener = Listener::bind(&ListenSettings::new(([127, 0, 0, 1], 0).into()))
            .expect("a loopback port")
            .into_tokio()
            .expect("a runtime");
        let settings = ConnectSettings {
            source: Some(([127, 0, 0, 6], 0).into()),
            ..ConnectSettings::default()
        };
        let peer = Address::Ip(listener.local_addr().expect("a bound socket"));
        let (stream, accepted) = tokio::join!(connect(&peer, &settings), listener.accept());
        let (_, from) = accepted.expect("the connection");
        assert_eq!(from.ip().to_string(), "127.0.0.6");
        let local = stream.expect("connected").local_address().expect("local");
        assert_eq!(local.ip(), Some(from));
    }
}
