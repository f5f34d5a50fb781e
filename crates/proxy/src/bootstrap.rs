//! A static Envoy bootstrap: listeners, clusters, secrets, the admin address, the control plane.
//!
//! In: the bootstrap message. Out: resources in `snapshot::Live`, and what the process must do
//! itself (admin address, aggregated stream). What is not supported is refused by name at start.

// Bootstraps of older Envoys still name deprecated fields; they have to be read.
#![allow(deprecated)]

use std::mem::take;

use ferromesh_proto::any;
use ferromesh_proto::envoy::config::bootstrap::v3 as pb;
use ferromesh_proto::envoy::config::core::v3::api_config_source::ApiType;
use ferromesh_proto::envoy::config::core::v3::grpc_service::TargetSpecifier;
use ferromesh_proto::envoy::config::core::v3::{ApiConfigSource, Node};
use ferromesh_types::Str;
use tracing::warn;

use crate::cluster::Address;
use crate::compiled::OverloadSettings;
use crate::snapshot::Live;
use crate::xds::refusal::{At, nothing_left};
use crate::xds::{Compiler, Refusal, cds, fields, lds, overload, sds};

/// What a bootstrap asks of the process besides its static resources.
#[derive(Clone, Debug, Default)]
pub struct BootstrapSettings {
    /// Who we are.
    pub node: Option<Node>,
    /// Where the admin interface listens; `None` without.
    pub admin: Option<Address>,
    /// The control plane; `None` without.
    pub ads: Option<AdsSettings>,
    /// What is done under pressure.
    pub overload: OverloadSettings,
}

/// The aggregated stream of a bootstrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdsSettings {
    /// The static cluster that leads to the control plane.
    pub cluster: Str,
    /// Delta or state of the world.
    pub delta: bool,
    /// The `:authority` of its calls; empty takes the cluster's name.
    pub authority: Str,
    /// Whether clusters come over the stream.
    pub clusters: bool,
    /// Whether listeners come over the stream.
    pub listeners: bool,
}

/// Compiles a bootstrap into `live`.
pub(crate) fn apply(
    mut bootstrap: pb::Bootstrap,
    compiler: &Compiler,
    live: &mut Live,
) -> Result<BootstrapSettings, Refusal> {
    let resources = bootstrap.static_resources.take().unwrap_or_default();
    static_resources(resources, compiler, live).at("static_resources")?;
    live.follow_secret_files();
    let overload = bootstrap.overload_manager.take().map(overload::compile);
    let mut overload = overload
        .transpose()
        .at("overload_manager")?
        .unwrap_or_default();
    if let Some(runtime) = bootstrap.layered_runtime.take() {
        overload::runtime_limits(runtime, &mut overload);
    }
    let settings = BootstrapSettings {
        node: bootstrap.node.take(),
        admin: bootstrap
            .admin
            .take()
            .map(admin)
            .transpose()
            .at("admin")?
            .flatten(),
        ads: bootstrap
            .dynamic_resources
            .take()
            .map(dynamic_resources)
            .transpose()
            .at("dynamic_resources")?
            .flatten(),
        overload,
    };
    if bootstrap.tracing.take().is_some() {
        warn!("bootstrap: tracing is accepted, but has no effect in this version");
    }
    without_effect(&mut bootstrap)?;
    nothing_left(&bootstrap)?;
    Ok(settings)
}

/// Fields about Envoy's own inner workings: its runtime flags, statistics names, watchdogs, resolver.
fn without_effect(bootstrap: &mut pb::Bootstrap) -> Result<(), Refusal> {
    bootstrap.stats_config = None;
    bootstrap.stats_flush_interval = None;
    bootstrap.stats_flush = None;
    bootstrap.stats_eviction = None;
    bootstrap.deferred_stat_options = None;
    bootstrap.cluster_manager = None;
    bootstrap.watchdogs = None;
    bootstrap.typed_dns_resolver_config = None;
    bootstrap.default_regex_engine = None;
    bootstrap.enable_dispatcher_stats = false;
    bootstrap.application_log_config = None;
    bootstrap.memory_allocator_manager = None;
    bootstrap.node_context_params.clear();
    let extensions = take(&mut bootstrap.bootstrap_extensions);
    for (index, extension) in extensions.into_iter().enumerate() {
        let config = extension.typed_config.unwrap_or_default();
        let resolved = any::resolve(&config).at_index("bootstrap_extensions", index)?;
        // It only makes internal listeners possible; those are refused where they are used.
        if !resolved
            .type_url
            .ends_with("internal_listener.v3.InternalListener")
        {
            let reason = format!("{} is not supported", extension.name);
            return Err(Refusal::new(reason)).at_index("bootstrap_extensions", index);
        }
    }
    Ok(())
}

fn static_resources(
    mut resources: pb::bootstrap::StaticResources,
    compiler: &Compiler,
    live: &mut Live,
) -> Result<(), Refusal> {
    for (index, secret) in take(&mut resources.secrets).into_iter().enumerate() {
        let name = secret.name.clone();
        let secret = sds::compile(secret).at_index("secrets", index)?;
        compiler.secrets.set(&name, secret);
    }
    for (index, cluster) in take(&mut resources.clusters).into_iter().enumerate() {
        let body = any::pack(&cluster);
        let compiled = cds::compile(cluster, compiler).at_index("clusters", index)?;
        live.add_static_cluster(compiled, body);
    }
    for (index, mut listener) in take(&mut resources.listeners).into_iter().enumerate() {
        if listener.name.is_empty() {
            // As in Envoy, a static listener may go without a name.
            listener.name = format!("static-{index}");
        }
        let body = any::pack(&listener);
        let compiled = lds::compile(listener, compiler).at_index("listeners", index)?;
        live.add_static_listener(compiled, body);
    }
    nothing_left(&resources)
}

fn admin(mut value: pb::Admin) -> Result<Option<Address>, Refusal> {
    let address = match value.address.take() {
        Some(address) => Some(fields::address(Some(&address)).at("address")?),
        None => None,
    };
    // The admin interface keeps no access log and writes no profiles.
    value.access_log.clear();
    value.access_log_path.clear();
    value.profile_path.clear();
    value.ignore_global_conn_limit = false;
    nothing_left(&value)?;
    Ok(address)
}

fn dynamic_resources(
    mut value: pb::bootstrap::DynamicResources,
) -> Result<Option<AdsSettings>, Refusal> {
    let by_ads = |source: Option<_>, field: &str| -> Result<bool, Refusal> {
        let Some(source) = source else {
            return Ok(false);
        };
        match fields::config_source(Some(&source)).at(field)? {
            fields::Source::Ads => Ok(true),
            fields::Source::Grpc => Err(Refusal::field(field, "only `ads: {}` is supported")),
        }
    };
    let listeners = by_ads(value.lds_config.take(), "lds_config")?;
    let clusters = by_ads(value.cds_config.take(), "cds_config")?;
    let ads = value.ads_config.take();
    nothing_left(&value)?;
    match ads {
        Some(ads) => ads_config(ads, clusters, listeners)
            .map(Some)
            .at("ads_config"),
        None if clusters || listeners => Err(Refusal::field(
            "ads_config",
            "is needed when resources come by ADS",
        )),
        None => Ok(None),
    }
}

fn ads_config(
    mut source: ApiConfigSource,
    clusters: bool,
    listeners: bool,
) -> Result<AdsSettings, Refusal> {
    let delta = match source.api_type() {
        ApiType::Grpc | ApiType::AggregatedGrpc => false,
        ApiType::DeltaGrpc | ApiType::AggregatedDeltaGrpc => true,
        _ => {
            return Err(Refusal::field(
                "api_type",
                "only GRPC and DELTA_GRPC are supported",
            ));
        }
    };
    let services = take(&mut source.grpc_services);
    let service = services.into_iter().next();
    let Some(TargetSpecifier::EnvoyGrpc(target)) = service.and_then(|s| s.target_specifier) else {
        return Err(Refusal::field(
            "grpc_services",
            "an envoy_grpc cluster is needed",
        ));
    };
    Ok(AdsSettings {
        cluster: target.cluster_name.into(),
        delta,
        authority: target.authority.into(),
        clusters,
        listeners,
    })
}
