//! Where a redirected connection was going before iptables sent it here (`SO_ORIGINAL_DST`).

use std::net::{IpAddr, SocketAddr};

use socket2::SockRef;
use tokio::net::TcpStream;

/// The destination before redirection. `None` when the connection was not redirected, that is when
/// the kernel keeps no record of it or the record equals the local address.
pub fn original_destination(stream: &TcpStream) -> Option<SocketAddr> {
    let local = stream.local_addr().ok()?;
    let socket = SockRef::from(stream);
    let original = match canonical(local).ip() {
        IpAddr::V4(_) => socket.original_dst_v4(),
        IpAddr::V6(_) => socket.original_dst_v6(),
    };
    let original = canonical(original.ok()?.as_socket()?);
    (original != canonical(local)).then_some(original)
}

/// An IPv4 address that came through a dual-stack socket is IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_direct_connection_has_no_original_destination() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a bound socket");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (accepted, _) = accepted.expect("the connection");
        assert_eq!(original_destination(&accepted), None);
        drop(client);
    }
}
