//! Connections that are not opened as HTTP: TCP and TLS routes of VirtualServices, and the plain
//! way to a service.
//!
//! In: a service port and the VirtualServices for it. Out: chains, each with the connections it is
//! for (server names, address blocks) and the filter that forwards them.

use std::net::IpAddr;

use ferromesh_config::kind::virtual_service::RouteDestination;
use ferromesh_model::VirtualServiceEntry;
use ferromesh_proto::envoy::config::accesslog::v3::AccessLog;
use ferromesh_proto::envoy::config::core::v3::CidrRange;
use ferromesh_proto::envoy::config::listener::v3::{Filter, FilterChain, FilterChainMatch};
use ferromesh_types::Str;
use ipnet::IpNet;

use super::tcp_proxy::{self, ConnectionLimits};
use crate::rds::scope::{RouteOwner, RouteScope, Target};
use crate::value::{cidr, duration};

/// How long the TLS handshake of a client may take.
const HANDSHAKE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);

/// Limits of connections to a destination.
pub(crate) type LimitsOf<'a> = &'a dyn Fn(&Target) -> ConnectionLimits;

/// Connections and where they go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    /// Server names; empty is any, also none.
    pub(crate) server_names: Vec<String>,
    /// Blocks of destination addresses; empty is any.
    pub(crate) destinations: Vec<CidrRange>,
    /// Blocks of client addresses; empty is any.
    pub(crate) sources: Vec<CidrRange>,
    /// Application protocols that the client offers; empty is any.
    pub(crate) application_protocols: Vec<String>,
    /// Forwards them.
    pub(crate) filters: Vec<Filter>,
}

impl Chain {
    /// Whether it is for every connection.
    pub(crate) fn is_for_all(&self) -> bool {
        self.server_names.is_empty() && self.destinations.is_empty() && self.sources.is_empty()
    }

    /// As a filter chain.
    pub(crate) fn build(self) -> FilterChain {
        let condition = (!self.is_for_all()).then(|| FilterChainMatch {
            server_names: self.server_names,
            prefix_ranges: self.destinations,
            source_prefix_ranges: self.sources,
            application_protocols: self.application_protocols,
            ..Default::default()
        });
        FilterChain {
            filter_chain_match: condition,
            filters: self.filters,
            transport_socket_connect_timeout: Some(duration(HANDSHAKE_TIMEOUT)),
            ..Default::default()
        }
    }
}

/// Where layer-4 routes are made for.
pub(crate) struct Layer4<'a> {
    /// Who asks, and on which port.
    pub(crate) scope: &'a RouteScope<'a>,
    /// Limits of connections to a destination.
    pub(crate) limits: LimitsOf<'a>,
    /// The log of each connection.
    pub(crate) access_log: &'a [AccessLog],
}

impl Layer4<'_> {
    /// Chains of the TLS routes, in order.
    pub(crate) fn tls_chains(&self, entry: &VirtualServiceEntry) -> Vec<Chain> {
        let owner = RouteOwner::of(entry);
        let mut chains = Vec::new();
        for route in &entry.declared.spec.tls {
            for condition in &route.r#match {
                let admitted = self.scope.admits(
                    owner,
                    &condition.gateways,
                    &condition.source_labels,
                    &condition.source_namespace,
                    condition.port,
                );
                if !admitted {
                    continue;
                }
                let mut server_names: Vec<String> = condition
                    .sni_hosts
                    .iter()
                    .map(ToString::to_string)
                    .filter(|host| host != "*")
                    .collect();
                server_names.sort();
                chains.push(Chain {
                    server_names,
                    destinations: blocks(&condition.destination_subnets),
                    filters: self.forward(entry, &route.route),
                    ..Default::default()
                });
            }
        }
        chains
    }

    /// Chains of the TCP routes, up to the first that is for all connections.
    pub(crate) fn tcp_chains(&self, entry: &VirtualServiceEntry) -> Vec<Chain> {
        let owner = RouteOwner::of(entry);
        let mut chains = Vec::new();
        for route in &entry.declared.spec.tcp {
            let filters = |this: &Self| this.forward(entry, &route.route);
            if route.r#match.is_empty() {
                chains.push(Chain {
                    filters: filters(self),
                    ..Default::default()
                });
                return chains;
            }
            for condition in &route.r#match {
                let admitted = self.scope.admits(
                    owner,
                    &condition.gateways,
                    &condition.source_labels,
                    &condition.source_namespace,
                    condition.port,
                );
                if !admitted {
                    continue;
                }
                let chain = Chain {
                    destinations: blocks(&condition.destination_subnets),
                    sources: blocks(std::slice::from_ref(&condition.source_subnet)),
                    filters: filters(self),
                    ..Default::default()
                };
                let last = chain.is_for_all();
                chains.push(chain);
                if last {
                    return chains;
                }
            }
        }
        chains
    }

    /// Everything to one destination.
    pub(crate) fn direct(&self, target: &Target) -> Vec<Filter> {
        let limits = (self.limits)(target);
        let log = self.access_log.to_vec();
        let proxy = tcp_proxy::to_cluster(&target.cluster(), &limits, log);
        after_resolution(&limits, target, proxy)
    }

    fn forward(
        &self,
        entry: &VirtualServiceEntry,
        destinations: &[RouteDestination],
    ) -> Vec<Filter> {
        let owner = RouteOwner::of(entry);
        let targets: Vec<(Target, u32)> = destinations
            .iter()
            .map(|route| (self.scope.target(owner, &route.destination), route.weight))
            .collect();
        let Some((first, _)) = targets.first() else {
            return Vec::new();
        };
        if targets.len() == 1 {
            return self.direct(first);
        }
        // One connection policy for all of them, made before one is chosen: that of the first's host.
        let limits = (self.limits)(&Target {
            subset: Str::default(),
            ..first.clone()
        });
        // Weights that are all zero say "no preference".
        let equal = targets.iter().all(|(_, weight)| *weight == 0);
        let clusters = targets
            .iter()
            .filter(|(_, weight)| equal || *weight > 0)
            .map(|(target, weight)| {
                let weight = if equal { 1 } else { *weight };
                (target.cluster(), weight)
            })
            .collect();
        let stat_prefix = format!("{}.{}", owner.name, owner.namespace);
        let log = self.access_log.to_vec();
        let proxy = tcp_proxy::to_clusters(stat_prefix, clusters, &limits, log);
        after_resolution(&limits, first, proxy)
    }
}

/// The TCP proxy, after what resolves the server name where that is the endpoint.
fn after_resolution(limits: &ConnectionLimits, target: &Target, proxy: Filter) -> Vec<Filter> {
    let cache = limits.resolves.clone();
    let resolution = cache.map(|cache| tcp_proxy::resolve_server_name(cache, target.port));
    resolution.into_iter().chain([proxy]).collect()
}

/// Address blocks as written, `10.0.0.0/8` or `10.0.0.1`; validation has refused anything else. One
/// that is there already is left out: proxies refuse a chain that names a block twice.
fn blocks(written: &[Str]) -> Vec<CidrRange> {
    let mut seen: Vec<IpNet> = Vec::new();
    let mut blocks = Vec::new();
    for text in written {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let Some(block) = text.parse().ok().or_else(address) else {
            continue;
        };
        if !seen.contains(&block.trunc()) {
            seen.push(block.trunc());
            blocks.push(cidr(block.addr(), block.prefix_len()));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_named_twice_is_there_once() {
        let written = [
            "10.0.0.0/8",
            "10.1.2.3/8",
            "10.0.0.1",
            "0.0.0.0/0",
            "10.0.0.1/32",
            "::/0",
        ];
        let found: Vec<(String, u32)> = blocks(&written.map(Str::from))
            .into_iter()
            .map(|block| {
                (
                    block.address_prefix,
                    block.prefix_len.expect("a length").value,
                )
            })
            .collect();
        let expected = [("10.0.0.0", 8), ("10.0.0.1", 32), ("0.0.0.0", 0), ("::", 0)];
        assert_eq!(
            found,
            expected.map(|(address, length)| (address.to_owned(), length))
        );
    }
}
