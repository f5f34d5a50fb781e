//! What a connection manager believes of a request's origin and writes into its identity.

use std::net::IpAddr;

use ipnet::IpNet;

/// Which peers count as inside: their internal fields are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InternalAddresses {
    /// None.
    #[default]
    None,
    /// Private networks and the loopback address.
    Private,
    /// These networks.
    Networks(Vec<IpNet>),
}

impl InternalAddresses {
    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::None => false,
            Self::Private => is_private(address),
            Self::Networks(networks) => networks.iter().any(|network| network.contains(&address)),
        }
    }
}

/// RFC 1918 and `fd00::/8` of RFC 4193, and the one usual loopback address.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address == std::net::Ipv4Addr::LOCALHOST,
        IpAddr::V6(address) => address.octets()[0] == 0xfd || address.is_loopback(),
    }
}

/// Which port of the authority is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StripPort {
    /// None.
    #[default]
    Never,
    /// The listener's own.
    Matching,
    /// Any.
    Any,
}

/// How request ids are made and read.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestIds {
    /// Whether requests without an id get one.
    pub generate: bool,
    /// Whether an id from outside is kept.
    pub preserve_external: bool,
    /// Whether every answer carries the id too.
    pub in_response: bool,
    /// Whether the id keeps why a request is traced.
    pub pack_trace_reason: bool,
    /// Shares of requests that are traced, where tracing is configured and the id decides.
    pub sampling: Option<TraceSampling>,
}

/// Shares of requests that are traced, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSampling {
    /// Of those with `x-client-trace-id`.
    pub client: u32,
    /// Of all others.
    pub random: u32,
    /// Of those that are left.
    pub overall: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_inside_where_no_others_are_named() {
        let inside = InternalAddresses::Private;
        for (address, expected) in [
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd00::1", true),
            ("fc00::1", false),
            ("::1", true),
            ("8.8.8.8", false),
        ] {
            let parsed = address.parse().expect("an address");
            assert_eq!(inside.contains(parsed), expected, "{address}");
        }
        let none = InternalAddresses::None;
        assert!(!none.contains("10.1.2.3".parse().expect("an address")));
    }
}
