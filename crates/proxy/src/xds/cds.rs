//! Clusters (CDS).

use std::mem::take;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ferromesh_proto::envoy::config::cluster::v3 as pb;
use ferromesh_proto::envoy::config::cluster::v3::cluster as detail;
use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::config::core::v3::RoutingPriority;
use ferromesh_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use ferromesh_proto::google::protobuf::DoubleValue;
use ferromesh_proto::{any, structs, type_url};
use ferromesh_runtime::Publisher;
use ferromesh_types::Str;

use super::context::{Compiled, Compiler, Context};
use super::fields::{
    Source, config_source, duration, flag, metadata_object, number, port, socket_address,
    text_member,
};
use super::refusal::{At, Refusal, nothing_left};
use super::transport::AutoNames;
use super::{
    eds, health_checks, load_balancing, name_caches, outlier, subsets, transport, upstream_http,
};
use crate::cluster::{
    CircuitBreakers, EndpointsOnDemand, HealthChecks, HealthFlags, LbPolicy, OutlierDetection,
    RetryBudget, Thresholds,
};
use crate::compiled::{
    Cluster, Discovery, OriginalDestination, Preconnect, TcpKeepalive, TransportMatch, Transports,
};
use crate::stats::{ClusterStats, HealthCheckStats, OutlierStats};

/// Envoy's default for making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Compiles a cluster. Static clusters come with their endpoints, others without.
pub fn compile(value: pb::Cluster, compiler: &Compiler) -> Result<Compiled<Cluster>, Refusal> {
    let mut context = Context::new(compiler);
    let cluster = cluster(value, &mut context)?;
    Ok(context.finish(cluster))
}

fn cluster(mut value: pb::Cluster, context: &mut Context<'_>) -> Result<Cluster, Refusal> {
    let name = Str::from(take(&mut value.name));
    if name.is_empty() {
        return Err(Refusal::field("name", "is needed"));
    }
    let observability_name = match take(&mut value.alt_stat_name) {
        alternative if alternative.is_empty() => name.clone(),
        alternative => alternative.into(),
    };
    name_caches::name_by_request(&mut value);
    let http = upstream_http::compile(&mut value)?;
    let transports = transports(&mut value, http.auto_names, context)?;
    let balancing = load_balancing::policy(&mut value)?;
    let common = value.common_lb_config.take();
    let close_on_change = common
        .as_ref()
        .is_some_and(|common| common.close_connections_on_host_set_change);
    let (lb, mut set_settings) =
        load_balancing::set_settings(common, balancing).at("common_lb_config")?;
    let prefix = format!("cluster.{observability_name}.");
    let outlier = value.outlier_detection.take().map(outlier::compile);
    let outlier = outlier
        .transpose()
        .at("outlier_detection")?
        .map(|settings| {
            let stats = &context.compiler.stats;
            let stats = OutlierStats::new(stats, &format!("{prefix}outlier_detection."));
            OutlierDetection::new(settings, stats)
        });
    let health_checks = health_checks::compile(take(&mut value.health_checks))?;
    let health_checks = health_checks.map(|settings| {
        let stats = &context.compiler.stats;
        let stats = HealthCheckStats::new(stats, &format!("{prefix}health_check."));
        HealthChecks::new(settings, stats)
    });
    if health_checks.is_some() {
        let findings = HealthFlags::FAILED_ACTIVE
            .with(HealthFlags::PENDING_ACTIVE)
            .with(HealthFlags::DEGRADED_ACTIVE);
        set_settings.heeds = set_settings.heeds.with(findings);
    }
    if outlier.is_some() {
        set_settings.heeds = set_settings.heeds.with(HealthFlags::FAILED_OUTLIER);
    }
    let subsets = subsets::compile(
        value.lb_subset_config.take(),
        (&context.compiler.stats, &prefix),
    )
    .at("lb_subset_config")?;
    let (discovery, assignment) = discovery(&mut value, (&name, lb), http.auto_names, context)?;
    let metadata = metadata_object(value.metadata.take().as_ref(), "istio");
    let cluster = Cluster {
        discovery,
        lb,
        subsets,
        set_settings,
        connect_timeout: value
            .connect_timeout
            .take()
            .map(duration)
            .transpose()
            .at("connect_timeout")?
            .unwrap_or(CONNECT_TIMEOUT),
        http: http.protocol,
        preconnect: preconnect(value.preconnect_policy.take()).at("preconnect_policy")?,
        connections: http.connections,
        transports,
        circuit_breakers: circuit_breakers(value.circuit_breakers.take(), context)?,
        bind_source: bind_source(value.upstream_bind_config.take())?,
        tcp_keepalive: tcp_keepalive(value.upstream_connection_options.take())?,
        alpn_override_allowed: text_member(&metadata, "alpn_override") != "false",
        mesh_external: metadata.get("external") == Some(&serde_json::Value::Bool(true)),
        service: service(&metadata),
        close_connections_on_host_removal: close_on_change,
        close_connections_on_health_failure: take(
            &mut value.close_connections_on_host_health_failure,
        ),
        health_checks,
        outlier,
        endpoints_arrived: AtomicBool::new(false),
        endpoints: Publisher::new(crate::cluster::EndpointSet::default()),
        on_demand: EndpointsOnDemand::default(),
        membership: Mutex::new(()),
        drop_overload: AtomicU64::new(0),
        stats: ClusterStats::new(&context.compiler.stats, &prefix),
        observability_name,
        name,
    };
    filters(take(&mut value.filters))?;
    without_effect(&mut value);
    nothing_left(&value)?;
    let assignment = assignment.filter(|_| matches!(cluster.discovery, Discovery::Static));
    if let Some(assignment) = assignment {
        let set = eds::compile(assignment, "", &cluster, None).at("load_assignment")?;
        cluster.replace_endpoints(set);
    }
    Ok(cluster)
}

fn preconnect(value: Option<detail::PreconnectPolicy>) -> Result<Option<Preconnect>, Refusal> {
    let Some(value) = value else {
        return Ok(None);
    };
    let ratio = |name, value: Option<DoubleValue>| {
        let ratio = value.map_or(1.0, |value| value.value);
        let refused = || Refusal::field(name, "must be from 1 to 3");
        let valid = (1.0..=3.0).contains(&ratio);
        valid.then_some(ratio).ok_or_else(refused)
    };
    let per_endpoint = ratio(
        "per_upstream_preconnect_ratio",
        value.per_upstream_preconnect_ratio,
    )?;
    let predictive = ratio(
        "predictive_preconnect_ratio",
        value.predictive_preconnect_ratio,
    )?;
    let ahead = per_endpoint > 1.0 || predictive > 1.0;
    Ok(ahead.then_some(Preconnect {
        per_endpoint,
        predictive,
    }))
}

/// Fields that change numbers or timing only, and what is on the way.
fn without_effect(value: &mut pb::Cluster) {
    value.cleanup_interval = None;
    value.stats_matcher = None;
    value.track_cluster_stats = None;
    value.track_timeout_budgets = false;
    value.ignore_health_on_host_removal = false;
    value.wait_for_warm_on_init = None;
    value.typed_dns_resolver_config = None;
}

/// The cluster filters that are accepted: metadata exchange, which is never negotiated.
fn filters(filters: Vec<pb::Filter>) -> Result<(), Refusal> {
    for (index, filter) in filters.into_iter().enumerate() {
        let config = filter.typed_config.unwrap_or_default();
        let resolved = any::resolve(&config)
            .at("typed_config")
            .at_index("filters", index)?;
        let name = type_url::message_name(&resolved.type_url);
        if name != "envoy.tcp.metadataexchange.config.MetadataExchange" {
            let reason = format!("the cluster filter {name} is not supported");
            return Err(Refusal::field("typed_config", reason)).at_index("filters", index);
        }
    }
    Ok(())
}

fn service(metadata: &serde_json::Map<String, serde_json::Value>) -> Option<(Str, Str, Str)> {
    let first = metadata.get("services")?.as_array()?.first()?.as_object()?;
    let member = |name| text_member(first, name);
    Some((member("host"), member("name"), member("namespace")))
}

fn transports(
    value: &mut pb::Cluster,
    auto: AutoNames,
    context: &mut Context<'_>,
) -> Result<Transports, Refusal> {
    let mut matches = Vec::new();
    let list = take(&mut value.transport_socket_matches);
    for (index, each) in list.into_iter().enumerate() {
        let transport = transport::upstream(each.transport_socket, auto, context)
            .at("transport_socket")
            .at_index("transport_socket_matches", index)?;
        let criteria = each.r#match.as_ref().map(structs::to_json);
        let criteria = match criteria {
            Some(serde_json::Value::Object(object)) => object,
            _ => serde_json::Map::new(),
        };
        matches.push(TransportMatch {
            name: each.name.into(),
            criteria: criteria
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
            transport: Arc::new(transport),
        });
    }
    let socket = value.transport_socket.take();
    let fallback = transport::upstream(socket, auto, context).at("transport_socket")?;
    Ok(Transports {
        matches,
        fallback: Arc::new(fallback),
    })
}

fn discovery(
    value: &mut pb::Cluster,
    (name, lb): (&Str, LbPolicy),
    auto: AutoNames,
    context: &mut Context<'_>,
) -> Result<(Discovery, Option<ClusterLoadAssignment>), Refusal> {
    let kind = match value.cluster_discovery_type.take() {
        None => detail::DiscoveryType::Static,
        Some(detail::ClusterDiscoveryType::Type(kind)) => detail::DiscoveryType::try_from(kind)
            .map_err(|_| Refusal::field("type", format!("{kind} is not known")))?,
        Some(detail::ClusterDiscoveryType::ClusterType(custom)) => {
            let discovery = name_caches::discovery(custom, auto, context).at("cluster_type")?;
            check_provided(&discovery, lb)?;
            return Ok((discovery, None));
        }
    };
    let lb_config = value.lb_config.take();
    let eds = value.eds_cluster_config.take();
    let assignment = value.load_assignment.take();
    let dns = eds::DnsFields {
        refresh: value.dns_refresh_rate.take(),
        failure: value.dns_failure_refresh_rate.take(),
        jitter: value.dns_jitter.take(),
        respect_ttl: take(&mut value.respect_dns_ttl),
        family: value.dns_lookup_family(),
    };
    value.dns_lookup_family = 0;
    let discovery = match kind {
        detail::DiscoveryType::Static => Discovery::Static,
        detail::DiscoveryType::Eds => Discovery::Eds {
            service_name: eds_service_name(eds, name).at("eds_cluster_config")?,
        },
        detail::DiscoveryType::StrictDns => {
            let settings = eds::dns(assignment.clone(), &dns).at("load_assignment")?;
            Discovery::StrictDns(settings)
        }
        detail::DiscoveryType::LogicalDns => {
            let settings = eds::dns(assignment.clone(), &dns).at("load_assignment")?;
            Discovery::LogicalDns(settings)
        }
        detail::DiscoveryType::OriginalDst => {
            let port_override =
                original_destination_port(lb_config).at("original_dst_lb_config")?;
            Discovery::OriginalDestination(OriginalDestination { port_override })
        }
    };
    check_provided(&discovery, lb)?;
    Ok((discovery, assignment))
}

/// Clients choose the endpoints of some clusters, and the policy says so.
fn check_provided(discovery: &Discovery, lb: LbPolicy) -> Result<(), Refusal> {
    if discovery.follows_clients() == (lb == LbPolicy::ClusterProvided) {
        return Ok(());
    }
    let reason = "CLUSTER_PROVIDED belongs to clusters of type ORIGINAL_DST or dynamic forward \
                  proxy, and only to them";
    Err(Refusal::field("lb_policy", reason))
}

fn eds_service_name(config: Option<detail::EdsClusterConfig>, name: &Str) -> Result<Str, Refusal> {
    let config = config.unwrap_or_default();
    if config_source(config.eds_config.as_ref()).at("eds_config")? != Source::Ads {
        let reason = "endpoints only come by the aggregated stream";
        return Err(Refusal::field("eds_config", reason));
    }
    if config.service_name.is_empty() {
        Ok(name.clone())
    } else {
        Ok(config.service_name.into())
    }
}

fn original_destination_port(config: Option<detail::LbConfig>) -> Result<Option<u16>, Refusal> {
    let Some(detail::LbConfig::OriginalDstLbConfig(config)) = config else {
        return Ok(None);
    };
    if config.use_http_header {
        return Err(Refusal::field("use_http_header", "is not supported"));
    }
    if config.metadata_key.is_some() {
        return Err(Refusal::field("metadata_key", "is not supported"));
    }
    number(config.upstream_port_override)
        .map(port)
        .transpose()
        .at("upstream_port_override")
}

fn circuit_breakers(
    value: Option<pb::CircuitBreakers>,
    context: &mut Context<'_>,
) -> Result<CircuitBreakers, Refusal> {
    let mut compiled = CircuitBreakers::default();
    let value = value.unwrap_or_default();
    if !value.per_host_thresholds.is_empty() {
        let field = "circuit_breakers.per_host_thresholds";
        return Err(Refusal::field(field, "is not supported"));
    }
    for each in value.thresholds {
        let budget = each.retry_budget.map(|budget| RetryBudget {
            percent: budget.budget_percent.map_or(20.0, |percent| percent.value),
            least: number(budget.min_retry_concurrency).unwrap_or(3),
        });
        if each.max_connection_pools.is_some() {
            context.without_effect("circuit_breakers.thresholds.max_connection_pools");
        }
        let thresholds = Thresholds::new(
            number(each.max_connections).unwrap_or(1024),
            number(each.max_pending_requests).unwrap_or(1024),
            number(each.max_requests).unwrap_or(1024),
            number(each.max_retries).unwrap_or(3),
        );
        let thresholds = thresholds.with_budget(budget);
        let thresholds = Arc::new(thresholds.tracking_remaining(each.track_remaining));
        match each.priority() {
            RoutingPriority::Default => compiled.default = thresholds,
            RoutingPriority::High => compiled.high = thresholds,
        }
    }
    Ok(compiled)
}

fn bind_source(value: Option<core::BindConfig>) -> Result<Option<std::net::SocketAddr>, Refusal> {
    let Some(mut value) = value else {
        return Ok(None);
    };
    let field = "upstream_bind_config";
    let source = value.source_address.take();
    let source = source.as_ref().map(socket_address).transpose();
    let source = source.at("source_address").at(field)?;
    if !flag(value.freebind, false) {
        value.freebind = None;
    }
    nothing_left(&value).at(field)?;
    Ok(source)
}

fn tcp_keepalive(
    value: Option<pb::UpstreamConnectionOptions>,
) -> Result<Option<TcpKeepalive>, Refusal> {
    let Some(mut value) = value else {
        return Ok(None);
    };
    let keepalive = value.tcp_keepalive.take().map(|keepalive| {
        let seconds = |value| number(value).map(|value| Duration::from_secs(value.into()));
        TcpKeepalive {
            probes: number(keepalive.keepalive_probes),
            time: seconds(keepalive.keepalive_time),
            interval: seconds(keepalive.keepalive_interval),
        }
    });
    value.happy_eyeballs_config = None;
    nothing_left(&value).at("upstream_connection_options")?;
    Ok(keepalive)
}
