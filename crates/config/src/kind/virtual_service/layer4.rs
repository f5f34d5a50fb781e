//! Routes for TLS by server name and for opaque TCP.

use ferromesh_types::{Hostname, Selector, Str};
use serde::Deserialize;

use super::Destination;

/// A route for TLS that is not opened.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsRoute {
    /// Conditions; any one of them is enough.
    pub r#match: Vec<TlsMatchAttributes>,
    /// Where the connections go.
    pub route: Vec<RouteDestination>,
}

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsMatchAttributes {
    /// Server names.
    pub sni_hosts: Vec<Hostname>,
    /// Addresses or CIDR blocks of the destination.
    pub destination_subnets: Vec<Str>,
    /// The port that is addressed.
    pub port: Option<u16>,
    /// Labels of the client workload.
    pub source_labels: Selector,
    /// Gateways that the match is for.
    pub gateways: Vec<Str>,
    /// Namespace of the client workload.
    pub source_namespace: Str,
}

/// A route for opaque TCP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpRoute {
    /// Conditions; any one of them is enough, none means all connections.
    pub r#match: Vec<L4MatchAttributes>,
    /// Where the connections go.
    pub route: Vec<RouteDestination>,
}

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct L4MatchAttributes {
    /// Addresses or CIDR blocks of the destination.
    pub destination_subnets: Vec<Str>,
    /// The port that is addressed.
    pub port: Option<u16>,
    /// Address or CIDR block of the client; empty is any.
    pub source_subnet: Str,
    /// Labels of the client workload.
    pub source_labels: Selector,
    /// Gateways that the match is for.
    pub gateways: Vec<Str>,
    /// Namespace of the client workload.
    pub source_namespace: Str,
}

/// A destination with its share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// The share; shares count in relation to their sum.
    pub weight: u32,
}
