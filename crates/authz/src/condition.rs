//! Conditions on a request and its connection: permissions and principals are both made of them.

use std::net::IpAddr;
use std::ops::Range;

use ferromesh_route::request::path_without_query;
use ferromesh_route::{HeaderMatch, Pattern, StringMatch};
use ferromesh_types::Str;
use ipnet::IpNet;

use crate::facts::Facts;
use crate::value::ValueMatch;

/// A condition.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Everything meets it.
    Always,
    /// All of these are met; an empty list is.
    All(Vec<Condition>),
    /// One of these is met; an empty list is not.
    Any(Vec<Condition>),
    /// This is not met.
    Not(Box<Condition>),
    /// A header or pseudo header.
    Header(HeaderMatch),
    /// The path without query and fragment. A connection has none.
    Path(StringMatch),
    /// The same against a path template.
    PathTemplate(Pattern),
    /// An address is in one of these networks.
    Address(AddressOf, Vec<IpNet>),
    /// The port that the client wanted.
    DestinationPort(Range<u32>),
    /// The server name of the TLS hello, empty without.
    ServerName(StringMatch),
    /// The client used TLS and, where there is a matcher, has a certificate with a name that
    /// matches.
    Authenticated(Option<StringMatch>),
    /// What filters noted.
    Metadata(Box<MetadataMatch>),
}

/// Whose address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressOf {
    /// The one that the client wanted.
    Destination,
    /// The client's after trusted forwarding fields.
    Remote,
    /// The client's of the connection.
    ConnectionRemote,
    /// The peer's of the socket.
    DirectRemote,
}

/// A condition on what filters noted.
#[derive(Clone, Debug)]
pub struct MetadataMatch {
    /// Under whose name.
    pub namespace: Str,
    /// Down which keys.
    pub path: Vec<Str>,
    /// What it must be.
    pub value: ValueMatch,
    /// The opposite counts as a match.
    pub invert: bool,
}

impl Condition {
    /// All of `list`, without a list where there is only one.
    pub fn all(list: Vec<Self>) -> Self {
        Self::only(list).unwrap_or_else(Self::All)
    }

    /// One of `list`, without a list where there is only one.
    pub fn any(list: Vec<Self>) -> Self {
        Self::only(list).unwrap_or_else(Self::Any)
    }

    fn only(mut list: Vec<Self>) -> Result<Self, Vec<Self>> {
        match list.pop() {
            Some(only) if list.is_empty() => Ok(only),
            Some(last) => {
                list.push(last);
                Err(list)
            }
            None => Err(list),
        }
    }

    /// Whether `facts` meet it.
    pub fn is_met(&self, facts: &impl Facts) -> bool {
        match self {
            Self::Always => true,
            Self::All(list) => list.iter().all(|each| each.is_met(facts)),
            Self::Any(list) => list.iter().any(|each| each.is_met(facts)),
            Self::Not(inner) => !inner.is_met(facts),
            Self::Header(header) => header.is_match(facts),
            Self::Path(matcher) => path(facts).is_some_and(|path| matcher.is_match(path)),
            Self::PathTemplate(pattern) => path(facts).is_some_and(|path| pattern.is_match(path)),
            Self::Address(of, networks) => {
                let address = of.address(facts).to_canonical();
                networks.iter().any(|network| network.contains(&address))
            }
            Self::DestinationPort(ports) => ports.contains(&u32::from(facts.destination().port())),
            Self::ServerName(matcher) => matcher.is_match(facts.server_name()),
            Self::Authenticated(None) => facts.is_tls(),
            Self::Authenticated(Some(matcher)) => {
                facts.is_tls() && facts.peer_name(&mut |name| matcher.is_match(name))
            }
            Self::Metadata(wanted) => {
                let value = facts.metadata(&wanted.namespace, &wanted.path);
                wanted.value.is_match(value.as_deref()) != wanted.invert
            }
        }
    }
}

fn path(facts: &impl Facts) -> Option<&str> {
    let path = facts.path();
    (!path.is_empty()).then(|| path_without_query(path))
}

impl AddressOf {
    fn address(self, facts: &impl Facts) -> IpAddr {
        match self {
            Self::Destination => facts.destination().ip(),
            Self::Remote => facts.remote(),
            Self::ConnectionRemote => facts.connection_remote(),
            Self::DirectRemote => facts.direct_remote(),
        }
    }
}
