//! The common shape of listeners that receive redirected outbound connections.

use ferromesh_proto::envoy::config::core::v3::TrafficDirection;
use ferromesh_proto::envoy::config::listener::v3::{
    AdditionalAddress, FilterChain, FilterChainMatch, Listener,
};
use prost::Message;

use super::{distinct, listener_filter};
use crate::tls::alpn;
use crate::value::{address, flag, number, pipe};
use crate::{Resource, names};

/// Connections taken per wake-up, so that workers share them evenly.
const ACCEPT_AT_ONCE: u32 = 1;

/// A listener that does not bind: redirected connections reach it by their original destination.
pub(super) fn redirected(bind: &str, port: u16) -> Listener {
    Listener {
        name: names::listener(bind, port),
        address: Some(address(bind, port)),
        bind_to_port: flag(false),
        traffic_direction: TrafficDirection::Outbound as i32,
        ..Default::default()
    }
}

/// A listener that binds, to an address or to a Unix socket (`unix:///path`).
pub(super) fn bound(name: String, bind: &str, port: u16, direction: TrafficDirection) -> Listener {
    Listener {
        name,
        address: Some(match bind.strip_prefix("unix://") {
            Some(path) => pipe(path),
            None => address(bind, port),
        }),
        max_connections_to_accept_per_socket_event: number(ACCEPT_AT_ONCE),
        traffic_direction: direction as i32,
        ..Default::default()
    }
}

/// More addresses of the same listener.
pub(super) fn more_addresses(listener: &mut Listener, binds: &[String], port: u16) {
    listener.additional_addresses = binds
        .iter()
        .map(|bind| AdditionalAddress {
            address: Some(address(bind, port)),
            ..Default::default()
        })
        .collect();
}

/// The condition of a chain for plaintext HTTP.
pub(super) fn plaintext_http(http10: bool) -> FilterChainMatch {
    let first = http10.then_some("http/1.0");
    let names = first.into_iter().chain([alpn::HTTP11, alpn::H2C]);
    FilterChainMatch {
        transport_protocol: "raw_buffer".to_owned(),
        application_protocols: names.map(str::to_owned).collect(),
        ..Default::default()
    }
}

/// Adds the inspectors that the chains' conditions need.
pub(super) fn inspect(listener: &mut Listener) {
    let conditions = || {
        listener
            .filter_chains
            .iter()
            .filter_map(|c| c.filter_chain_match.as_ref())
    };
    let tls = conditions().any(needs_tls_inspection);
    let http = conditions().any(needs_http_inspection);
    if tls {
        listener
            .listener_filters
            .push(listener_filter::tls_inspector());
    }
    if http {
        listener
            .listener_filters
            .push(listener_filter::http_inspector());
    }
}

/// Whether a condition asks what only a ClientHello tells.
pub(super) fn needs_tls_inspection(condition: &FilterChainMatch) -> bool {
    condition.transport_protocol == "tls" || !condition.server_names.is_empty()
}

/// Whether a condition asks for plaintext HTTP.
pub(super) fn needs_http_inspection(condition: &FilterChainMatch) -> bool {
    condition.transport_protocol == "raw_buffer" && !condition.application_protocols.is_empty()
}

/// Puts the chains in, each connection to the first that asks for it: a chain for all connections is
/// the default, unless it is the only one.
pub(super) fn set_chains(
    listener: &mut Listener,
    mut chains: Vec<FilterChain>,
    rest: Option<FilterChain>,
) {
    distinct::keep_first(&mut chains);
    match rest {
        Some(rest) if chains.is_empty() => chains.push(rest),
        rest => listener.default_filter_chain = rest,
    }
    listener.filter_chains = chains;
}

/// Encodes the listener.
pub(super) fn finish(listener: &Listener) -> Resource {
    Resource::new(listener.name.as_str(), listener.encode_to_vec())
}
