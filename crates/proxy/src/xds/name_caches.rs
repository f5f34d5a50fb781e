//! Caches of names (`DnsCacheConfig`), the clusters that go by them, and the network filter that looks
//! up server names.

use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use ferromesh_proto::any;
use ferromesh_proto::envoy::config::cluster::v3 as pb;
use ferromesh_proto::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CustomClusterType, DnsLookupFamily,
};
use ferromesh_proto::envoy::config::core::v3::{CidrRange, UpstreamHttpProtocolOptions};
use ferromesh_proto::envoy::extensions::clusters::dynamic_forward_proxy::v3::ClusterConfig;
use ferromesh_proto::envoy::extensions::clusters::dynamic_forward_proxy::v3::cluster_config::ClusterImplementationSpecifier;
use ferromesh_proto::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use ferromesh_proto::envoy::extensions::filters::network::sni_dynamic_forward_proxy::v3 as sni;
use ferromesh_proto::envoy::extensions::filters::network::sni_dynamic_forward_proxy::v3::filter_config::PortSpecifier;
use ferromesh_proto::envoy::r#type::matcher::v3::AddressMatcher;

use super::context::Context;
use super::eds;
use super::fields::{limit, networks, number, port};
use super::refusal::{At, Refusal, nothing_left};
use super::transport::AutoNames;
use crate::cluster::{NameCache, NameCacheSettings, Refresh, UnwantedAddresses};
use crate::compiled::{Discovery, ServerNames};

/// The name of the cluster type.
const CLUSTER: &str = "envoy.clusters.dynamic_forward_proxy";

/// Envoy's default between two lookups.
const REFRESH: Duration = Duration::from_mins(1);
/// Envoy's default for names that nobody uses.
const HOST_TTL: Duration = Duration::from_mins(5);
/// Envoy's default for one lookup.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Envoy's default for names, and for who waits for one.
const MANY: u32 = 1024;

/// The cache that a config describes.
pub(super) fn compile(
    mut value: DnsCacheConfig,
    context: &mut Context<'_>,
) -> Result<Arc<NameCache>, Refusal> {
    let name = take(&mut value.name);
    if name.is_empty() {
        return Err(Refusal::field("name", "is needed"));
    }
    let family = DnsLookupFamily::try_from(take(&mut value.dns_lookup_family))
        .map_err(|error| Refusal::field("dns_lookup_family", error.to_string()))?;
    let refresh = limit(value.dns_refresh_rate.take(), Some(REFRESH)).at("dns_refresh_rate")?;
    let after_failure = value.dns_failure_refresh_rate.take();
    let waiting = value.dns_cache_circuit_breaker.take().unwrap_or_default();
    let unwanted = value.resolved_address_filter.take();
    let most = number(value.max_hosts.take()).unwrap_or(MANY);
    let settings = NameCacheSettings {
        name: name.into(),
        family: eds::family(family),
        refresh: Refresh {
            regular: refresh.unwrap_or(REFRESH),
            after_failure: after_failure.map(eds::failure_refresh).transpose()?,
        },
        forgets_failures: take(&mut value.disable_dns_refresh_on_failure),
        host_ttl: limit(value.host_ttl.take(), Some(HOST_TTL))
            .at("host_ttl")?
            .unwrap_or(HOST_TTL),
        max_hosts: most as usize,
        max_waiting: number(waiting.max_pending_requests).unwrap_or(MANY),
        query_timeout: limit(value.dns_query_timeout.take(), Some(QUERY_TIMEOUT))
            .at("dns_query_timeout")?,
        unwanted: unwanted
            .map(unwanted_addresses)
            .transpose()
            .at("resolved_address_filter")?,
    };
    if !take(&mut value.preresolve_hostnames).is_empty() {
        context.without_effect("preresolve_hostnames");
    }
    value.dns_min_refresh_rate = None;
    // The system's resolver is asked, as for all names.
    value.typed_dns_resolver_config = None;
    nothing_left(&value)?;
    let compiler = context.compiler;
    compiler
        .names
        .cache(settings, &compiler.stats)
        .map_err(|error| Refusal::field("name", error.to_string()))
}

fn unwanted_addresses(filter: AddressMatcher) -> Result<UnwantedAddresses, Refusal> {
    let ranges = filter.ranges.into_iter().map(|range| CidrRange {
        address_prefix: range.address_prefix,
        prefix_len: range.prefix_len,
    });
    Ok(UnwantedAddresses {
        networks: networks(&ranges.collect::<Vec<_>>(), "ranges")?,
        inverted: filter.invert_match,
    })
}

/// Whether a cluster finds its endpoints by the names of requests.
fn goes_by_names(value: &pb::Cluster) -> bool {
    let kind = value.cluster_discovery_type.as_ref();
    matches!(kind, Some(ClusterDiscoveryType::ClusterType(custom)) if custom.name == CLUSTER)
}

/// Server name and certificate are those of the request's host unless the cluster says something.
pub(super) fn name_by_request(value: &mut pb::Cluster) {
    let silent = value.typed_extension_protocol_options.is_empty()
        && value.upstream_http_protocol_options.is_none();
    if silent && goes_by_names(value) {
        value.upstream_http_protocol_options = Some(UpstreamHttpProtocolOptions {
            auto_sni: true,
            auto_san_validation: true,
            ..Default::default()
        });
    }
}

/// The discovery of a cluster of a type that is not one of Envoy's basic ones.
pub(super) fn discovery(
    custom: CustomClusterType,
    auto: AutoNames,
    context: &mut Context<'_>,
) -> Result<Discovery, Refusal> {
    if custom.name != CLUSTER {
        return Err(Refusal::new(format!("{} is not supported", custom.name)));
    }
    let config = custom.typed_config.unwrap_or_default();
    let resolved = any::resolve(&config).at("typed_config")?;
    let config: ClusterConfig = any::unpack(&resolved).at("typed_config")?;
    by_name(config, auto, context).at("typed_config")
}

fn by_name(
    mut value: ClusterConfig,
    auto: AutoNames,
    context: &mut Context<'_>,
) -> Result<Discovery, Refusal> {
    let config = match value.cluster_implementation_specifier.take() {
        Some(ClusterImplementationSpecifier::DnsCacheConfig(config)) => config,
        Some(ClusterImplementationSpecifier::SubClustersConfig(_)) => {
            return Err(Refusal::field("sub_clusters_config", "is not supported"));
        }
        None => return Err(Refusal::field("dns_cache_config", "is needed")),
    };
    let insecure = take(&mut value.allow_insecure_cluster_options);
    let checked = auto.sni && auto.san_validation;
    if !insecure && !checked {
        let reason = "auto_sni and auto_san_validation must be on, unless \
                      allow_insecure_cluster_options says otherwise";
        return Err(Refusal::new(reason));
    }
    if take(&mut value.allow_coalesced_connections) {
        context.without_effect("allow_coalesced_connections");
    }
    nothing_left(&value)?;
    let names = compile(config, context).at("dns_cache_config")?;
    Ok(Discovery::ByName(names))
}

/// The filter that looks up the server name of a TLS hello.
pub(super) fn server_names(
    mut value: sni::FilterConfig,
    context: &mut Context<'_>,
) -> Result<ServerNames, Refusal> {
    let config = value.dns_cache_config.take();
    let config = config.ok_or_else(|| Refusal::field("dns_cache_config", "is needed"))?;
    let port = match value.port_specifier.take() {
        Some(PortSpecifier::PortValue(value)) => port(value).at("port_value")?,
        None => 443,
    };
    if take(&mut value.save_upstream_address) {
        context.without_effect("save_upstream_address");
    }
    nothing_left(&value)?;
    Ok(ServerNames {
        names: compile(config, context).at("dns_cache_config")?,
        port,
    })
}
