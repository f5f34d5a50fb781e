//! Listeners (LDS) with their filter chains.

use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use ferromesh_net::KeepAlive;
use ferromesh_proto::envoy::config::core::v3::{TcpKeepalive, TrafficDirection as PbDirection};
use ferromesh_proto::envoy::config::listener::v3 as pb;
use ferromesh_proto::envoy::config::listener::v3::filter_chain_match::ConnectionSourceType;
use ferromesh_route::filter_chain::SourceType;
use ferromesh_route::{ChainIndex, ChainMatch};
use ferromesh_types::Str;

use super::context::{Compiled, Compiler, Context};
use super::fields::{address, flag, limit, networks, number, port};
use super::refusal::{At, Refusal, nothing_left};
use super::{access_logs, listener_filters, network_filters, transport};
use crate::cluster::Address;
use crate::compiled::{FilterChain, FilterChains, Listener, TrafficDirection};
use crate::stats::ListenerStats;

/// Envoy's default time for listener filters.
const LISTENER_FILTERS_TIMEOUT: Duration = Duration::from_secs(15);

/// Envoy's default buffer limit of a connection.
const BUFFER_LIMIT: u32 = 1 << 20;

/// Compiles a listener.
pub fn compile(value: pb::Listener, compiler: &Compiler) -> Result<Compiled<Listener>, Refusal> {
    let mut context = Context::new(compiler);
    let listener = listener(value, &mut context)?;
    Ok(context.finish(listener))
}

/// What each filter chain of a listener asks of a connection, in the order of the config: the
/// compiled listener keeps only the index that finds them.
pub fn chain_matches(value: &pb::Listener) -> Result<Vec<ChainMatch>, Refusal> {
    let each = |(index, chain): (usize, &pb::FilterChain)| {
        let wanted = chain.filter_chain_match.clone().unwrap_or_default();
        chain_match(wanted).at_index("filter_chains", index)
    };
    value.filter_chains.iter().enumerate().map(each).collect()
}

fn listener(mut value: pb::Listener, context: &mut Context<'_>) -> Result<Listener, Refusal> {
    let addresses = addresses(&mut value)?;
    let chains = chains(&mut value, context)?;
    let stat_prefix = match take(&mut value.stat_prefix) {
        prefix if prefix.is_empty() => addresses[0].to_string().replace(':', "_"),
        prefix => prefix,
    };
    let prefix = format!("listener.{stat_prefix}.");
    let mut secrets: Vec<Str> = chains
        .iter()
        .flat_map(|chain| chain.transport.secrets())
        .collect();
    secrets.sort_unstable();
    secrets.dedup();
    let mut route_names = take(&mut context.route_names);
    route_names.sort_unstable();
    route_names.dedup();
    let compiled = Listener {
        name: take(&mut value.name).into(),
        addresses,
        bind_to_port: bind_to_port(&mut value),
        direction: direction(&mut value),
        use_original_destination: flag(value.use_original_dst.take(), false),
        transparent: flag(value.transparent.take(), false),
        freebind: flag(value.freebind.take(), false),
        keep_alive: value.tcp_keepalive.take().map(keep_alive),
        listener_filters: listener_filters::compile(take(&mut value.listener_filters))?,
        listener_filters_timeout: limit(
            value.listener_filters_timeout.take(),
            Some(LISTENER_FILTERS_TIMEOUT),
        )
        .at("listener_filters_timeout")?,
        continue_on_listener_filters_timeout: take(&mut value.continue_on_listener_filters_timeout),
        chains,
        buffer_limit: number(value.per_connection_buffer_limit_bytes.take())
            .unwrap_or(BUFFER_LIMIT),
        backlog: number(value.tcp_backlog_size.take()),
        access_logs: access_logs::compile(take(&mut value.access_log), "access_log", context)?,
        secrets,
        route_names,
        stats: ListenerStats::new(&context.compiler.stats, &prefix),
    };
    without_effect(&mut value);
    nothing_left(&value)?;
    if compiled.name.is_empty() {
        return Err(Refusal::field("name", "is needed"));
    }
    Ok(compiled)
}

/// Fields about how sockets are shared among workers and drained, which are our own concern, and
/// descriptions that nothing here reads.
fn without_effect(value: &mut pb::Listener) {
    value.metadata = None;
    value.drain_type = 0;
    value.connection_balance_config = None;
    value.reuse_port = false;
    value.enable_reuse_port = None;
    value.max_connections_to_accept_per_socket_event = None;
    value.ignore_global_conn_limit = false;
    value.bypass_overload_manager = false;
    value.tcp_fast_open_queue_length = None;
    value.stats_matcher = None;
}

fn keep_alive(value: TcpKeepalive) -> KeepAlive {
    let seconds = |value| number(value).map(u64::from).map(Duration::from_secs);
    KeepAlive {
        time: seconds(value.keepalive_time),
        interval: seconds(value.keepalive_interval),
        probes: number(value.keepalive_probes),
    }
}

fn addresses(value: &mut pb::Listener) -> Result<Vec<Address>, Refusal> {
    let mut out = vec![address(value.address.take().as_ref()).at("address")?];
    for (index, additional) in take(&mut value.additional_addresses)
        .into_iter()
        .enumerate()
    {
        let found = address(additional.address.as_ref()).at("address");
        out.push(found.at_index("additional_addresses", index)?);
    }
    if out.iter().any(|address| address.ip().is_none()) {
        return Err(Refusal::field(
            "address",
            "listening on a Unix socket is not supported; use an IP address and a port",
        ));
    }
    Ok(out)
}

fn bind_to_port(value: &mut pb::Listener) -> bool {
    let older = value
        .deprecated_v1
        .take()
        .and_then(|older| older.bind_to_port);
    flag(value.bind_to_port.take().or(older), true)
}

fn direction(value: &mut pb::Listener) -> TrafficDirection {
    let direction = match value.traffic_direction() {
        PbDirection::Unspecified => TrafficDirection::Unspecified,
        PbDirection::Inbound => TrafficDirection::Inbound,
        PbDirection::Outbound => TrafficDirection::Outbound,
    };
    value.traffic_direction = 0;
    direction
}

fn chains(value: &mut pb::Listener, context: &mut Context<'_>) -> Result<FilterChains, Refusal> {
    let mut matches = Vec::new();
    let mut chains = Vec::new();
    for (index, mut chain) in take(&mut value.filter_chains).into_iter().enumerate() {
        let wanted = chain.filter_chain_match.take().unwrap_or_default();
        let wanted = chain_match(wanted).at("filter_chain_match");
        matches.push(wanted.at_index("filter_chains", index)?);
        let chain = filter_chain(chain, context).at_index("filter_chains", index)?;
        chains.push(Arc::new(chain));
    }
    let default = match value.default_filter_chain.take() {
        Some(mut chain) => {
            // Its match is never looked at.
            chain.filter_chain_match = None;
            let chain = filter_chain(chain, context).at("default_filter_chain")?;
            Some(Arc::new(chain))
        }
        None => None,
    };
    if chains.is_empty() && default.is_none() {
        return Err(Refusal::field(
            "filter_chains",
            "at least one filter chain is needed",
        ));
    }
    Ok(FilterChains {
        index: ChainIndex::new(&matches).at("filter_chains")?,
        chains,
        default,
    })
}

fn chain_match(mut value: pb::FilterChainMatch) -> Result<ChainMatch, Refusal> {
    let source_type = match value.source_type() {
        ConnectionSourceType::Any => SourceType::Any,
        ConnectionSourceType::SameIpOrLoopback => SourceType::Local,
        ConnectionSourceType::External => SourceType::External,
    };
    value.source_type = 0;
    let names = |list: &mut Vec<String>| take(list).into_iter().map(Str::from).collect();
    let ports = take(&mut value.source_ports);
    let compiled = ChainMatch {
        destination_port: number(value.destination_port.take())
            .map(port)
            .transpose()
            .at("destination_port")?,
        destination_prefixes: networks(&take(&mut value.prefix_ranges), "prefix_ranges")?,
        server_names: server_names(take(&mut value.server_names))?,
        transport_protocol: take(&mut value.transport_protocol).into(),
        application_protocols: names(&mut value.application_protocols),
        direct_source_prefixes: networks(
            &take(&mut value.direct_source_prefix_ranges),
            "direct_source_prefix_ranges",
        )?,
        source_type,
        source_prefixes: networks(
            &take(&mut value.source_prefix_ranges),
            "source_prefix_ranges",
        )?,
        source_ports: ports
            .into_iter()
            .map(port)
            .collect::<Result<_, _>>()
            .at("source_ports")?,
    };
    nothing_left(&value)?;
    Ok(compiled)
}

/// A star may only stand for the first labels.
fn server_names(names: Vec<String>) -> Result<Vec<Str>, Refusal> {
    for name in &names {
        let rest = name.strip_prefix("*.").unwrap_or(name);
        if rest.contains('*') && name != "*" {
            let reason = format!("{name:?}: a star is only allowed as the first label");
            return Err(Refusal::field("server_names", reason));
        }
    }
    Ok(names.into_iter().map(Str::from).collect())
}

fn filter_chain(
    mut value: pb::FilterChain,
    context: &mut Context<'_>,
) -> Result<FilterChain, Refusal> {
    let socket = value.transport_socket.take();
    let (filters, terminal) = network_filters::compile(take(&mut value.filters), context)?;
    let compiled = FilterChain {
        name: take(&mut value.name).into(),
        transport: transport::downstream(socket, context).at("transport_socket")?,
        transport_timeout: limit(value.transport_socket_connect_timeout.take(), None)
            .at("transport_socket_connect_timeout")?,
        filters,
        terminal,
    };
    value.metadata = None;
    if !flag(value.use_proxy_proto, false) {
        value.use_proxy_proto = None;
    }
    nothing_left(&value)?;
    Ok(compiled)
}
