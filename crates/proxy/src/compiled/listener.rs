//! Compiled listeners and how one is found for a connection.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ferromesh_net::KeepAlive;
use ferromesh_types::Str;

use super::filter_chain::FilterChains;
use crate::access_log::AccessLog;
use crate::cluster::Address;
use crate::stats::ListenerStats;

/// One listener.
#[derive(Debug)]
pub struct Listener {
    /// Its name.
    pub name: Str,
    /// Where it listens: the address, then the additional ones.
    pub addresses: Vec<Address>,
    /// False for listeners that only receive connections by their original destination.
    pub bind_to_port: bool,
    /// Seen from the workload.
    pub direction: TrafficDirection,
    /// Whether accepted connections move to the listener of their original destination, where
    /// there is one.
    pub use_original_destination: bool,
    /// IP_TRANSPARENT on the listening socket.
    pub transparent: bool,
    /// IP_FREEBIND on the listening socket.
    pub freebind: bool,
    /// TCP keep-alive of accepted connections.
    pub keep_alive: Option<KeepAlive>,
    /// In the order in which they run.
    pub listener_filters: Vec<ListenerFilter>,
    /// How long the listener filters may take; `None` waits without limit.
    pub listener_filters_timeout: Option<Duration>,
    /// Whether a connection goes on after that time, or is closed.
    pub continue_on_listener_filters_timeout: bool,
    /// Filter chains with their match index.
    pub chains: FilterChains,
    /// Soft limit of the buffers of one connection, in bytes.
    pub buffer_limit: u32,
    /// Length of the accept queue; `None` takes the system's.
    pub backlog: Option<u32>,
    /// Logs of the listener itself: connections that found no filter chain.
    pub access_logs: Vec<Arc<AccessLog>>,
    /// Names of all secrets that its TLS settings need.
    pub secrets: Vec<Str>,
    /// Names of all route tables that its filters need.
    pub route_names: Vec<Str>,
    /// Its numbers.
    pub stats: ListenerStats,
}

/// Which way the traffic of a listener goes, seen from the workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficDirection {
    /// Not said.
    #[default]
    Unspecified,
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

/// A listener filter and when it is left out.
#[derive(Clone, Debug)]
pub struct ListenerFilter {
    /// What it does.
    pub kind: ListenerFilterKind,
    /// Connections for which it does not run.
    pub disabled: Option<ListenerPredicate>,
}

/// What a listener filter does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerFilterKind {
    /// Takes the original destination of a redirected connection as its destination.
    OriginalDestination,
    /// Looks for a TLS hello: transport protocol, server name, application protocols.
    TlsInspector,
    /// Looks for an HTTP request line or preface.
    HttpInspector,
    /// Reads the PROXY protocol header.
    ProxyProtocol {
        /// Whether connections without the header are accepted.
        allow_without: bool,
        /// Whether headers of version 1 are read.
        v1: bool,
        /// Whether headers of version 2 are read.
        v2: bool,
        /// What is noted of the header's further entries.
        notes: Arc<[HeaderNote]>,
    },
}

/// Notes an entry of a PROXY protocol header in the connection's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNote {
    /// The type of the entry.
    pub entry: u8,
    /// Where the note goes.
    pub namespace: Str,
    /// Under which key.
    pub key: String,
    /// Whether the value is written as base64, and not as text.
    pub base64: bool,
}

/// A condition on a connection's destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerPredicate {
    /// Always.
    Any,
    /// The destination port is in `start..end`.
    DestinationPort {
        /// First port.
        start: u16,
        /// First port after the range; may be 65536.
        end: u32,
    },
    /// One of them holds.
    Or(Vec<ListenerPredicate>),
    /// All of them hold.
    And(Vec<ListenerPredicate>),
    /// It does not hold.
    Not(Box<ListenerPredicate>),
}

impl ListenerPredicate {
    /// Whether it holds for a connection to `port`.
    pub fn holds(&self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::DestinationPort { start, end } => {
                (u32::from(*start)..*end).contains(&u32::from(port))
            }
            Self::Or(all) => all.iter().any(|each| each.holds(port)),
            Self::And(all) => all.iter().all(|each| each.holds(port)),
            Self::Not(inner) => !inner.holds(port),
        }
    }
}

impl ListenerFilter {
    /// Whether the filter runs for a connection to `destination_port`.
    pub fn runs_for(&self, destination_port: u16) -> bool {
        !self
            .disabled
            .as_ref()
            .is_some_and(|predicate| predicate.holds(destination_port))
    }
}

/// All listeners of a generation.
#[derive(Debug, Default)]
pub struct Listeners {
    by_name: BTreeMap<Str, Arc<Listener>>,
    by_address: HashMap<SocketAddr, Arc<Listener>>,
}

impl Listeners {
    /// Indexes `listeners`; where two claim one address, the first by name has it.
    pub fn new(listeners: impl IntoIterator<Item = Arc<Listener>>) -> Self {
        let by_name: BTreeMap<_, _> = listeners
            .into_iter()
            .map(|listener| (listener.name.clone(), listener))
            .collect();
        let mut by_address = HashMap::new();
        for listener in by_name.values() {
            for address in listener.addresses.iter().filter_map(Address::ip) {
                by_address
                    .entry(address)
                    .or_insert_with(|| Arc::clone(listener));
            }
        }
        Self {
            by_name,
            by_address,
        }
    }

    /// The listener of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<Listener>> {
        self.by_name.get(name)
    }

    /// All listeners, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.by_name.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Those that have a socket of their own.
    pub fn bound(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.by_name
            .values()
            .filter(|listener| listener.bind_to_port)
    }

    /// The listener for a connection that `use_original_destination` moves: the one of exactly that
    /// address, else the one of every address on that port. `None` leaves the connection with the
    /// listener that accepted it.
    pub fn for_original_destination(&self, destination: SocketAddr) -> Option<&Arc<Listener>> {
        let any = |ip: IpAddr| {
            self.by_address
                .get(&SocketAddr::new(ip, destination.port()))
        };
        self.by_address.get(&destination).or_else(|| {
            if destination.is_ipv4() {
                any(Ipv4Addr::UNSPECIFIED.into()).or_else(|| any(Ipv6Addr::UNSPECIFIED.into()))
            } else {
                any(Ipv6Addr::UNSPECIFIED.into())
            }
        })
    }
}
