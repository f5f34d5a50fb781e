//! Network filters: a table from type to compile function.
//!
//! The type decides, never the name: Istio uses one name for filters of three types. A filter that
//! is in neither list is refused; what decides about access (RBAC, external authorization, Lua,
//! Wasm) must never be skipped.

use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use ferromesh_proto::envoy::config::core::v3::BackoffStrategy;
use ferromesh_proto::envoy::config::listener::v3::Filter;
use ferromesh_proto::envoy::config::listener::v3::filter::ConfigType;
use ferromesh_proto::envoy::extensions::filters::network::direct_response::v3::Config as Direct;
use ferromesh_proto::envoy::extensions::filters::network::mongo_proxy::v3::MongoProxy;
use ferromesh_proto::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use ferromesh_proto::envoy::r#type::v3::hash_policy::PolicySpecifier;
use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::{any, type_url};
use ferromesh_route::weighted::WeightedClusters;
use ferromesh_route::{ClusterChoice, EndpointMatch, HeaderMutations, Template, WeightedCluster};

use super::context::Context;
use super::fields::{data, limit, number};
use super::refusal::{At, Refusal, nothing_left};
use super::{access_logs, admission, header_edits, http_manager, name_caches, subsets};
use crate::access_log::check_template;
use crate::compiled::{ConnectBackoff, NetworkFilter, TcpProxy, TerminalFilter, Tunneling};
use crate::stats::TcpStats;

/// Filters that only report or exchange what is reported: accepted, since traffic does not depend
/// on them.
const TELEMETRY: [&str; 2] = [
    "stats.PluginConfig",
    "envoy.tcp.metadataexchange.config.MetadataExchange",
];

/// Envoy's default idle timeout of a TCP proxy.
const IDLE_TIMEOUT: Duration = Duration::from_hours(1);

/// Compiles the filters of a chain: those that pass connections on, and the one that takes them.
pub(super) fn compile(
    filters: Vec<Filter>,
    context: &mut Context<'_>,
) -> Result<(Vec<NetworkFilter>, TerminalFilter), Refusal> {
    let mut terminal = None;
    let mut passing = Vec::new();
    for (index, filter) in filters.into_iter().enumerate() {
        if terminal.is_some() {
            let reason = "the filter before takes the connection, so this one would never run";
            return Err(Refusal::new(reason)).at_index("filters", index);
        }
        let config = match filter.config_type {
            Some(ConfigType::TypedConfig(config)) => config,
            Some(ConfigType::ConfigDiscovery(_)) => {
                let refusal = Refusal::field("config_discovery", "is not supported");
                return Err(refusal).at_index("filters", index);
            }
            None => {
                let refusal = Refusal::field("typed_config", "is needed");
                return Err(refusal).at_index("filters", index);
            }
        };
        let kind = network_filter(&config, context).at("typed_config");
        match kind.at_index("filters", index)? {
            Kind::Idle => {}
            Kind::Passing(filter) => passing.push(filter),
            Kind::Terminal(filter) => terminal = Some(filter),
        }
    }
    let reason = "the last filter must take the connection (tcp_proxy, http_connection_manager)";
    let terminal = terminal.ok_or_else(|| Refusal::field("filters", reason))?;
    Ok((passing, terminal))
}

enum Kind {
    Idle,
    Passing(NetworkFilter),
    Terminal(TerminalFilter),
}

fn network_filter(config: &Any, context: &mut Context<'_>) -> Result<Kind, Refusal> {
    let resolved = any::resolve(config)?;
    match type_url::message_name(&resolved.type_url) {
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy" => {
            let proxy = tcp_proxy(any::unpack(&resolved)?, context)?;
            Ok(Kind::Terminal(TerminalFilter::TcpProxy(Arc::new(proxy))))
        }
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => {
            let manager = http_manager::compile(any::unpack(&resolved)?, context)?;
            Ok(Kind::Terminal(TerminalFilter::Http(Arc::new(manager))))
        }
        "envoy.extensions.filters.network.direct_response.v3.Config" => {
            let value: Direct = any::unpack(&resolved)?;
            let body = value.response.map(data).transpose().at("response")?;
            let body = body.unwrap_or_default().into();
            Ok(Kind::Terminal(TerminalFilter::DirectResponse(body)))
        }
        "envoy.extensions.filters.network.rbac.v3.RBAC" => {
            let filter = admission::rbac(any::unpack(&resolved)?, context)?;
            Ok(Kind::Passing(NetworkFilter::Rbac(Arc::new(filter))))
        }
        "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit" => {
            let limit = admission::connection_limit(any::unpack(&resolved)?, context)?;
            Ok(limit.map_or(Kind::Idle, |limit| {
                Kind::Passing(NetworkFilter::ConnectionLimit(Arc::new(limit)))
            }))
        }
        "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig" => {
            let filter = name_caches::server_names(any::unpack(&resolved)?, context)?;
            Ok(Kind::Passing(NetworkFilter::ServerNames(Arc::new(filter))))
        }
        // It counts what passes; only its injected delay would change traffic.
        "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy" => {
            let value: MongoProxy = any::unpack(&resolved)?;
            match value.delay {
                Some(_) => Err(Refusal::field("delay", "is not supported")),
                None => Ok(Kind::Idle),
            }
        }
        name if TELEMETRY.contains(&name) => Ok(Kind::Idle),
        name => Err(Refusal::new(format!(
            "the network filter {name} is not supported"
        ))),
    }
}

fn tcp_proxy(mut value: tcp::TcpProxy, context: &mut Context<'_>) -> Result<TcpProxy, Refusal> {
    let stat_prefix = take(&mut value.stat_prefix);
    let prefix = format!("tcp.{stat_prefix}.");
    let wanted = subsets::endpoint_match(value.metadata_match.take(), None);
    let compiled = TcpProxy {
        stat_prefix: stat_prefix.into(),
        cluster: cluster(value.cluster_specifier.take(), wanted.as_ref())?,
        endpoint_match: wanted,
        idle_timeout: limit(value.idle_timeout.take(), Some(IDLE_TIMEOUT)).at("idle_timeout")?,
        max_duration: limit(value.max_downstream_connection_duration.take(), None)
            .at("max_downstream_connection_duration")?,
        max_duration_jitter: value
            .max_downstream_connection_duration_jitter_percentage
            .take()
            .map_or(0.0, |percent| percent.value),
        backoff: value
            .backoff_options
            .take()
            .map(backoff)
            .transpose()
            .at("backoff_options")?,
        max_connect_attempts: number(value.max_connect_attempts.take())
            .unwrap_or(1)
            .max(1),
        hash_source_ip: hash_source_ip(take(&mut value.hash_policy))?,
        tunnel: value
            .tunneling_config
            .take()
            .map(|tunnel| tunneling(tunnel, context))
            .transpose()
            .at("tunneling_config")?,
        access_logs: access_logs::compile(take(&mut value.access_log), "access_log", context)?,
        stats: TcpStats::new(&context.compiler.stats, &prefix),
    };
    // Access logs are written when the connection ends, and only then.
    value.access_log_flush_interval = None;
    value.flush_access_log_on_connected = false;
    value.access_log_options = None;
    nothing_left(&value)?;
    Ok(compiled)
}

fn tunneling(
    mut value: tcp::tcp_proxy::TunnelingConfig,
    context: &mut Context<'_>,
) -> Result<Tunneling, Refusal> {
    let hostname = take(&mut value.hostname);
    if hostname.is_empty() {
        return Err(Refusal::field("hostname", "is needed"));
    }
    let hostname = Template::parse(&hostname).at("hostname")?;
    check_template(&hostname).at("hostname")?;
    let path = take(&mut value.post_path);
    let posts = take(&mut value.use_post);
    if !posts && !path.is_empty() {
        return Err(Refusal::field("post_path", "belongs to use_post"));
    }
    let path = if path.is_empty() {
        "/".into()
    } else {
        path.into()
    };
    // What filters after this one would read; none of them does.
    for (asked, field) in [
        (
            &mut value.propagate_response_headers,
            "propagate_response_headers",
        ),
        (
            &mut value.propagate_response_trailers,
            "propagate_response_trailers",
        ),
    ] {
        if take(asked) {
            context.without_effect(field);
        }
    }
    let headers = take(&mut value.headers_to_add);
    nothing_left(&value)?;
    Ok(Tunneling {
        hostname,
        post: posts.then_some(path),
        headers: HeaderMutations {
            request_add: header_edits::additions(headers, "headers_to_add")?,
            ..HeaderMutations::default()
        },
    })
}

fn backoff(value: BackoffStrategy) -> Result<ConnectBackoff, Refusal> {
    let base = limit(value.base_interval, None).at("base_interval")?;
    let base = base.ok_or_else(|| Refusal::field("base_interval", "is needed"))?;
    let most = limit(value.max_interval, None).at("max_interval")?;
    let most = most.unwrap_or(base * 10);
    if most < base {
        return Err(Refusal::field("max_interval", "is less than base_interval"));
    }
    Ok(ConnectBackoff { base, most })
}

fn cluster(
    specifier: Option<tcp::tcp_proxy::ClusterSpecifier>,
    wanted: Option<&Arc<EndpointMatch>>,
) -> Result<ClusterChoice, Refusal> {
    match specifier {
        Some(tcp::tcp_proxy::ClusterSpecifier::Cluster(name)) => {
            Ok(ClusterChoice::Named(name.into()))
        }
        Some(tcp::tcp_proxy::ClusterSpecifier::WeightedClusters(weighted)) => {
            let clusters = weighted.clusters.into_iter().map(|each| WeightedCluster {
                name: each.name.into(),
                weight: each.weight,
                endpoint_match: subsets::endpoint_match(each.metadata_match, wanted),
                ..WeightedCluster::default()
            });
            WeightedClusters::new(clusters.collect())
                .map(ClusterChoice::Weighted)
                .ok_or_else(|| Refusal::field("weighted_clusters", "all weights are zero"))
        }
        None => Err(Refusal::new("a cluster is needed")),
    }
}

fn hash_source_ip(
    policies: Vec<ferromesh_proto::envoy::r#type::v3::HashPolicy>,
) -> Result<bool, Refusal> {
    for policy in &policies {
        if !matches!(policy.policy_specifier, Some(PolicySpecifier::SourceIp(_))) {
            return Err(Refusal::field("hash_policy", "only source_ip is supported"));
        }
    }
    Ok(!policies.is_empty())
}
