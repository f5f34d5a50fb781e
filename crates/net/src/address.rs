//! Where a peer is: an IP address with a port, or a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The address of a peer. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Ip(SocketAddr),
    /// A Unix stream socket.
    Unix(Arc<Path>),
}

impl Address {
    /// The IP address and port; `None` for a Unix socket.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_printed_as_envoy_prints_them() {
        let ip = Address::Ip(([10, 0, 0, 1], 80).into());
        assert_eq!(ip.to_string(), "10.0.0.1:80");
        let unix = Address::Unix(Arc::from(Path::new("/run/app.sock")));
        assert_eq!(unix.to_string(), "/run/app.sock");
        assert_eq!(unix.ip(), None);
    }
}
