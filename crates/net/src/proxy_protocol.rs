//! The header of the PROXY protocol, versions 1 and 2 (haproxy.org, `proxy-protocol.txt`).
//!
//! In: the first bytes of a connection. Out: whose connection it is, and the other way round.
//! Sans-I/O; nothing is consumed.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, CRLF included.
const V1_LONGEST: usize = 107;

/// Versions of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Source and destination of a connection.
pub type ProxyAddresses = (SocketAddr, SocketAddr);

/// The verdict on the first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// More bytes are needed to tell.
    Incomplete,
    /// No header begins here.
    Absent,
    /// A header begins here and is wrong.
    Invalid,
    /// A header.
    Present {
        /// Which version it is.
        version: ProxyVersion,
        /// How many bytes it takes.
        length: usize,
        /// `None` when the connection is the sender's own.
        addresses: Option<ProxyAddresses>,
    },
}

/// Looks at the first bytes of a connection.
pub fn parse_proxy_header(bytes: &[u8]) -> ProxyHeader {
    if begins_like(bytes, V2_SIGNATURE) {
        return version2(bytes);
    }
    if begins_like(bytes, b"PROXY ") {
        return version1(bytes);
    }
    ProxyHeader::Absent
}

/// Which version's header the bytes begin with, or may turn out to begin with.
pub fn proxy_header_version(bytes: &[u8]) -> Option<ProxyVersion> {
    if begins_like(bytes, V2_SIGNATURE) {
        Some(ProxyVersion::V2)
    } else if begins_like(bytes, b"PROXY ") {
        Some(ProxyVersion::V1)
    } else {
        None
    }
}

/// Types and values behind the addresses in a whole header of version 2; none in one of version 1.
/// What is cut off at its end is left out.
pub fn proxy_header_entries(header: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let is_v2 = header.len() >= 16 && header.starts_with(V2_SIGNATURE);
    let addresses = match header.get(13).map(|family| family >> 4) {
        Some(1) => 12,
        Some(2) => 36,
        Some(3) => 216,
        _ => 0,
    };
    let mut rest = header
        .get(16 + addresses..)
        .filter(|_| is_v2)
        .unwrap_or_default();
    std::iter::from_fn(move || {
        let [kind, high, low, after @ ..] = rest else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = after.split_at_checked(length)?;
        rest = after;
        Some((*kind, value))
    })
}

/// The header for a connection between `addresses`; `None` when it is our own. Addresses of two
/// families cannot be written and count as our own.
pub fn proxy_header(version: ProxyVersion, addresses: Option<ProxyAddresses>) -> Vec<u8> {
    match (version, addresses) {
        (ProxyVersion::V1, Some((SocketAddr::V4(from), SocketAddr::V4(to)))) => {
            let (source, target) = (from.ip(), to.ip());
            format!(
                "PROXY TCP4 {source} {target} {} {}\r\n",
                from.port(),
                to.port()
            )
            .into_bytes()
        }
        (ProxyVersion::V1, Some((SocketAddr::V6(from), SocketAddr::V6(to)))) => {
            let (source, target) = (from.ip(), to.ip());
            format!(
                "PROXY TCP6 {source} {target} {} {}\r\n",
                from.port(),
                to.port()
            )
            .into_bytes()
        }
        (ProxyVersion::V1, _) => b"PROXY UNKNOWN\r\n".to_vec(),
        (ProxyVersion::V2, Some((SocketAddr::V4(from), SocketAddr::V4(to)))) => {
            let mut body = [from.ip().octets(), to.ip().octets()].concat();
            body.extend(from.port().to_be_bytes());
            body.extend(to.port().to_be_bytes());
            version2_header([0x21, 0x11], &body)
        }
        (ProxyVersion::V2, Some((SocketAddr::V6(from), SocketAddr::V6(to)))) => {
            let mut body = [from.ip().octets(), to.ip().octets()].concat();
            body.extend(from.port().to_be_bytes());
            body.extend(to.port().to_be_bytes());
            version2_header([0x21, 0x21], &body)
        }
        // LOCAL, without addresses.
        (ProxyVersion::V2, _) => version2_header([0x20, 0], &[]),
    }
}

fn version2_header(kind: [u8; 2], body: &[u8]) -> Vec<u8> {
    let mut bytes = V2_SIGNATURE.to_vec();
    bytes.extend(kind);
    // At most 36 bytes of addresses.
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Whether the bytes are the beginning of `signature`, or begin with it.
fn begins_like(bytes: &[u8], signature: &[u8]) -> bool {
    let common = bytes.len().min(signature.len());
    bytes[..common] == signature[..common]
}

fn version1(bytes: &[u8]) -> ProxyHeader {
    let end = bytes
        .iter()
        .take(V1_LONGEST)
        .position(|byte| *byte == b'\n');
    let Some(end) = end else {
        return if bytes.len() < V1_LONGEST {
            ProxyHeader::Incomplete
        } else {
            ProxyHeader::Invalid
        };
    };
    let line = bytes[..end].strip_suffix(b"\r");
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return ProxyHeader::Invalid;
    };
    let parts: Vec<&str> = line.split(' ').collect();
    let addresses = match parts.as_slice() {
        ["PROXY", "UNKNOWN", ..] => None,
        [
            "PROXY",
            family @ ("TCP4" | "TCP6"),
            source,
            destination,
            from,
            to,
        ] => match (endpoint(source, from), endpoint(destination, to)) {
            (Some(source), Some(destination))
                if source.is_ipv4() == (*family == "TCP4")
                    && destination.is_ipv4() == source.is_ipv4() =>
            {
                Some((source, destination))
            }
            _ => return ProxyHeader::Invalid,
        },
        _ => return ProxyHeader::Invalid,
    };
    ProxyHeader::Present {
        version: ProxyVersion::V1,
        length: end + 1,
        addresses,
    }
}

fn endpoint(address: &str, port: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
}

fn version2(bytes: &[u8]) -> ProxyHeader {
    let Some(fixed) = bytes.get(..16) else {
        return ProxyHeader::Incomplete;
    };
    let (version, command, family) = (fixed[12] >> 4, fixed[12] & 0xf, fixed[13]);
    if version != 2 || command > 1 {
        return ProxyHeader::Invalid;
    }
    let body_length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let length = 16 + body_length;
    let Some(body) = bytes.get(16..length) else {
        return ProxyHeader::Incomplete;
    };
    let addresses = match (command, family) {
        (0, _) => None,
        (_, 0x11) => match ipv4(body) {
            Some(addresses) => Some(addresses),
            None => return ProxyHeader::Invalid,
        },
        (_, 0x21) => match ipv6(body) {
            Some(addresses) => Some(addresses),
            None => return ProxyHeader::Invalid,
        },
        // Families that have no TCP address leave the connection as it is.
        _ => None,
    };
    ProxyHeader::Present {
        version: ProxyVersion::V2,
        length,
        addresses,
    }
}

fn ipv4(body: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let body = body.first_chunk::<12>()?;
    let address = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    Some((
        SocketAddr::new(address(0).into(), port(8)),
        SocketAddr::new(address(4).into(), port(10)),
    ))
}

fn ipv6(body: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let address = |at: usize| -> Option<Ipv6Addr> {
        let octets: [u8; 16] = body.get(at..at + 16)?.try_into().ok()?;
        Some(octets.into())
    };
    let port = |at: usize| -> Option<u16> {
        let octets: [u8; 2] = body.get(at..at + 2)?.try_into().ok()?;
        Some(u16::from_be_bytes(octets))
    };
    Some((
        SocketAddr::new(address(0)?.into(), port(32)?),
        SocketAddr::new(address(16)?.into(), port(34)?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend_from_slice(&[0x21, family, 0, body.len() as u8]);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn both_versions_name_source_and_destination() {
        let expected = Some((
            SocketAddr::from(([10, 0, 0, 1], 1000)),
            SocketAddr::from(([10, 0, 0, 2], 80)),
        ));
        let line = b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\nGET";
        let binary = v2(0x11, &[10, 0, 0, 1, 10, 0, 0, 2, 3, 232, 0, 80]);
        for (version, bytes, length) in [
            (ProxyVersion::V1, &line[..], 38),
            (ProxyVersion::V2, &binary, 28),
        ] {
            let header = parse_proxy_header(bytes);
            let expected = ProxyHeader::Present {
                version,
                length,
                addresses: expected,
            };
            assert_eq!(header, expected);
            for shorter in 0..length {
                let header = parse_proxy_header(&bytes[..shorter]);
                assert_eq!(header, ProxyHeader::Incomplete, "{shorter}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let v4 = |last, port| SocketAddr::from(([10, 0, 0, last], port));
        let v6 = |last, port| SocketAddr::from(([1, 0, 0, 0, 0, 0, 0, last], port));
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            for (written, expected) in [
                (Some((v4(1, 2), v4(3, 4))), Some((v4(1, 2), v4(3, 4)))),
                (Some((v6(1, 2), v6(3, 4))), Some((v6(1, 2), v6(3, 4)))),
                (Some((v6(1, 2), v4(3, 4))), None),
                (None, None),
            ] {
                let bytes = proxy_header(version, written);
                let expected = ProxyHeader::Present {
                    version,
                    length: bytes.len(),
                    addresses: expected,
                };
                assert_eq!(parse_proxy_header(&bytes), expected, "{written:?}");
                assert_eq!(proxy_header_version(&bytes), Some(version));
            }
        }
    }

    #[test]
    fn entries_behind_the_addresses_are_found() {
        let mut body = vec![10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 8];
        body.extend([0xea, 0, 2, b'h', b'i', 0x04, 0, 0, 0xeb, 0, 9, b'x']);
        let header = version2_header([0x21, 0x11], &body);
        let entries: Vec<_> = proxy_header_entries(&header).collect();
        assert_eq!(entries, [(0xea, b"hi".as_slice()), (0x04, b"")]);
        assert_eq!(proxy_header_entries(b"PROXY UNKNOWN\r\n").count(), 0);
    }

    #[test]
    fn what_is_no_header_is_told_apart_from_a_wrong_one() {
        assert_eq!(parse_proxy_header(b"GET / HTTP/1.1"), ProxyHeader::Absent);
        for wrong in [
            &b"PROXY TCP4 ::1 ::1 1 2\r\n"[..],
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1000\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 99999\r\n",
            &v2(0x11, &[1, 2, 3]),
        ] {
            assert_eq!(parse_proxy_header(wrong), ProxyHeader::Invalid, "{wrong:?}");
        }
        let unknown = parse_proxy_header(b"PROXY UNKNOWN\r\n");
        assert!(matches!(
            unknown,
            ProxyHeader::Present {
                addresses: None,
                ..
            }
        ));
    }
}
