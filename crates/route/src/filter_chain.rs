//! Which filter chain serves a connection, with Envoy's precedence.
//!
//! The criteria are looked at in a fixed order: destination port, destination address, server name,
//! transport protocol, application protocols, directly connected source address, source type,
//! source address, source port. At each step the most specific value that *some* chain names is
//! taken for good: there is no way back to a less specific one, even when a later step fails.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use ferromesh_types::Str;
use ipnet::IpNet;
use thiserror::Error;

use crate::prefix_map::PrefixMap;

/// Where the source of a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceType {
    /// Anywhere.
    #[default]
    Any,
    /// This host: loopback, or the destination's own address.
    Local,
    /// Another host.
    External,
}

/// What a filter chain asks of a connection. Empty lists ask nothing.
#[derive(Clone, Debug, Default)]
pub struct ChainMatch {
    /// The destination's port.
    pub destination_port: Option<u16>,
    /// The destination's networks.
    pub destination_prefixes: Vec<IpNet>,
    /// Server names of the TLS hello: names, or `*.suffix`.
    pub server_names: Vec<Str>,
    /// `tls` or `raw_buffer`; empty asks nothing.
    pub transport_protocol: Str,
    /// Application protocols that the client offers.
    pub application_protocols: Vec<Str>,
    /// Networks of the peer of the socket.
    pub direct_source_prefixes: Vec<IpNet>,
    /// Whether the source is this host.
    pub source_type: SourceType,
    /// Networks of the source.
    pub source_prefixes: Vec<IpNet>,
    /// Ports of the source.
    pub source_ports: Vec<u16>,
}

/// A connection as the match sees it.
#[derive(Clone, Debug)]
pub struct ConnectionView<'a> {
    /// Where the client wanted to go (the original destination after redirection). `None` for
    /// sockets that are not IP.
    pub destination: Option<SocketAddr>,
    /// The server name of the TLS hello, lower case; empty without.
    pub server_name: &'a str,
    /// `tls` when the inspector saw a TLS hello, else `raw_buffer`.
    pub transport_protocol: &'a str,
    /// What the client offers, in its order: from the TLS hello, or `http/1.0`, `http/1.1`, `h2c`
    /// from the HTTP inspector.
    pub application_protocols: &'a [&'a str],
    /// The source (after the PROXY protocol).
    pub source: Option<SocketAddr>,
    /// The peer of the socket.
    pub direct_source: Option<SocketAddr>,
}

impl ConnectionView<'_> {
    fn is_local(&self) -> bool {
        match (self.source, self.destination) {
            (Some(source), Some(destination)) => {
                source.ip().is_loopback() || source.ip() == destination.ip()
            }
            // Sockets without an address never leave the host.
            _ => true,
        }
    }
}

/// Two chains that no connection could tell apart.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("filter chains {first} and {second} match the same connections")]
pub struct SameMatch {
    /// Index of the chain that came first.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
}

/// Lookup of a filter chain: one map per criterion, nested in the order of precedence.
#[derive(Clone, Debug, Default)]
pub struct ChainIndex {
    ports: HashMap<Option<u16>, PrefixMap<Names>>,
}

type Names = HashMap<Str, Transports>;
type Transports = HashMap<Str, Applications>;
type Applications = HashMap<Str, PrefixMap<Sources>>;
type SourceAddresses = PrefixMap<HashMap<Option<u16>, usize>>;

#[derive(Clone, Debug, Default)]
struct Sources {
    any: Option<SourceAddresses>,
    local: Option<SourceAddresses>,
    external: Option<SourceAddresses>,
}

impl Sources {
    fn of(&mut self, kind: SourceType) -> &mut Option<SourceAddresses> {
        match kind {
            SourceType::Any => &mut self.any,
            SourceType::Local => &mut self.local,
            SourceType::External => &mut self.external,
        }
    }
}

impl ChainIndex {
    /// Indexes the matches of all chains; the position in the slice is the chain's number.
    pub fn new(matches: &[ChainMatch]) -> Result<Self, SameMatch> {
        let mut index = Self::default();
        for (number, wanted) in matches.iter().enumerate() {
            index.insert(number, wanted)?;
        }
        Ok(index)
    }

    fn insert(&mut self, number: usize, wanted: &ChainMatch) -> Result<(), SameMatch> {
        let addresses = self.ports.entry(wanted.destination_port).or_default();
        for net in or_any(&wanted.destination_prefixes) {
            let names = addresses.entry(net);
            for name in names_or_any(&wanted.server_names) {
                // `*.suffix` is stored as `.suffix`; a lone star asks nothing.
                let key = name.trim_start_matches('*').to_ascii_lowercase();
                let transports = names.entry(key.into()).or_default();
                let applications = transports
                    .entry(wanted.transport_protocol.clone())
                    .or_default();
                for application in names_or_any(&wanted.application_protocols) {
                    let direct = applications.entry(application).or_default();
                    insert_sources(direct, number, wanted)?;
                }
            }
        }
        Ok(())
    }

    /// The number of the chain for `connection`; `None` means the default chain, or none.
    pub fn find(&self, connection: &ConnectionView<'_>) -> Option<usize> {
        let port = connection.destination.map(|address| address.port());
        // A port that some chain names is decided among those chains alone.
        let addresses = self.ports.get(&port).or_else(|| self.ports.get(&None))?;
        let names = addresses.find(ip(connection.destination))?;
        let transports = by_server_name(names, connection.server_name)?;
        let applications = transports
            .get(connection.transport_protocol)
            .or_else(|| transports.get(""))?;
        let direct = connection
            .application_protocols
            .iter()
            .find_map(|protocol| applications.get(*protocol))
            .or_else(|| applications.get(""))?;
        let sources = direct.find(ip(connection.direct_source))?;
        let typed = match (&sources.local, &sources.external) {
            (None, None) => None,
            (local, external) => if connection.is_local() {
                local
            } else {
                external
            }
            .as_ref(),
        };
        let ports = typed
            .or(sources.any.as_ref())?
            .find(ip(connection.source))?;
        let source_port = connection.source.map(|address| address.port());
        ports
            .get(&source_port)
            .or_else(|| ports.get(&None))
            .copied()
    }
}

fn insert_sources(
    direct: &mut PrefixMap<Sources>,
    number: usize,
    wanted: &ChainMatch,
) -> Result<(), SameMatch> {
    for direct_net in or_any(&wanted.direct_source_prefixes) {
        let sources = direct.entry(direct_net);
        let addresses = sources.of(wanted.source_type).get_or_insert_default();
        for net in or_any(&wanted.source_prefixes) {
            let ports = addresses.entry(net);
            for port in or_any(&wanted.source_ports) {
                if let Some(first) = ports.insert(port, number) {
                    return Err(SameMatch {
                        first,
                        second: number,
                    });
                }
            }
        }
    }
    Ok(())
}

fn or_any<T: Copy>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() {
        vec![None]
    } else {
        values.iter().copied().map(Some).collect()
    }
}

fn names_or_any(names: &[Str]) -> Vec<Str> {
    if names.is_empty() {
        vec![Str::default()]
    } else {
        names.to_vec()
    }
}

fn ip(address: Option<SocketAddr>) -> Option<IpAddr> {
    address.map(|address| address.ip())
}

/// Exact name, then `.suffix` from the longest, then chains without a name.
fn by_server_name<'a>(names: &'a Names, server_name: &str) -> Option<&'a Transports> {
    if !server_name.is_empty() {
        if let Some(found) = names.get(server_name) {
            return Some(found);
        }
        let dots = server_name.match_indices('.').map(|(at, _)| at);
        for at in dots.filter(|at| *at > 0) {
            if let Some(found) = names.get(&server_name[at..]) {
                return Some(found);
            }
        }
    }
    names.get("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection<'a>(
        destination: &str,
        server_name: &'a str,
        transport_protocol: &'a str,
        application_protocols: &'a [&'a str],
    ) -> ConnectionView<'a> {
        ConnectionView {
            destination: Some(destination.parse().expect("an address")),
            server_name,
            transport_protocol,
            application_protocols,
            source: Some("10.0.0.9:5555".parse().expect("an address")),
            direct_source: Some("10.0.0.9:5555".parse().expect("an address")),
        }
    }

    fn names(list: &[&str]) -> Vec<Str> {
        list.iter().copied().map(Str::from).collect()
    }

    /// The chains of a permissive inbound listener with one HTTP port.
    fn inbound() -> ChainIndex {
        let chain = |port, transport: &str, protocols: &[&str]| ChainMatch {
            destination_port: port,
            transport_protocol: transport.into(),
            application_protocols: names(protocols),
            ..ChainMatch::default()
        };
        ChainIndex::new(&[
            chain(Some(15006), "", &[]),
            chain(None, "tls", &["istio-http/1.1", "istio-h2"]),
            chain(None, "raw_buffer", &["http/1.1", "h2c"]),
            chain(None, "raw_buffer", &[]),
            chain(None, "tls", &[]),
            chain(Some(8080), "tls", &["istio", "istio-h2"]),
            chain(Some(8080), "raw_buffer", &[]),
        ])
        .expect("all different")
    }

    #[test]
    fn an_inbound_listener_finds_its_chains() {
        let index = inbound();
        for (destination, transport, protocols, expected) in [
            ("10.0.0.1:15006", "raw_buffer", &[] as &[&str], Some(0)),
            ("10.0.0.1:9000", "tls", &["istio-h2", "h2"], Some(1)),
            ("10.0.0.1:9000", "raw_buffer", &["http/1.1"], Some(2)),
            ("10.0.0.1:9000", "raw_buffer", &[], Some(3)),
            ("10.0.0.1:9000", "tls", &["h2"], Some(4)),
            ("10.0.0.1:8080", "tls", &["istio-h2", "istio"], Some(5)),
            ("10.0.0.1:8080", "raw_buffer", &["http/1.1"], Some(6)),
            // The port is named, so the chains without a port are out of question.
            ("10.0.0.1:8080", "tls", &["h2"], None),
        ] {
            let view = connection(destination, "", transport, protocols);
            assert_eq!(
                index.find(&view),
                expected,
                "{destination} {transport} {protocols:?}"
            );
        }
    }

    #[test]
    fn the_longest_prefix_and_the_longest_server_name_win() {
        let net = |text: &str| text.parse::<IpNet>().expect("a network");
        let chain = |prefixes: &[&str], server_names: &[&str]| ChainMatch {
            destination_prefixes: prefixes.iter().map(|text| net(text)).collect(),
            server_names: names(server_names),
            ..ChainMatch::default()
        };
        let index = ChainIndex::new(&[
            chain(&["10.0.0.0/8"], &[]),
            chain(&["10.1.0.0/16"], &["a.example", "*.example"]),
            chain(&[], &["*.b.example"]),
            chain(&[], &[]),
        ])
        .expect("all different");
        for (destination, name, expected) in [
            ("10.2.0.1:1", "a.example", Some(0)),
            ("10.1.0.1:1", "a.example", Some(1)),
            ("10.1.0.1:1", "x.y.example", Some(1)),
            ("10.1.0.1:1", "example", None),
            ("11.0.0.1:1", "a.b.example", Some(2)),
            ("11.0.0.1:1", "b.example", Some(3)),
            ("[::1]:1", "", Some(3)),
        ] {
            let view = connection(destination, name, "tls", &[]);
            assert_eq!(index.find(&view), expected, "{destination} {name}");
        }
    }

    #[test]
    fn chains_that_cannot_be_told_apart_are_refused() {
        let same = ChainIndex::new(&[ChainMatch::default(), ChainMatch::default()]);
        assert_eq!(
            same.err(),
            Some(SameMatch {
                first: 0,
                second: 1
            })
        );
    }
}
