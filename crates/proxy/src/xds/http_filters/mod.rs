//! HTTP filters: a table from type to compile function.
//!
//! As for network filters, the type decides, and a filter that is not known is refused: access
//! control must never be skipped. Harmless filters without settings are accepted as what they are.

mod by_name;
mod cors;
mod fault;
mod grpc_stats;
mod rbac;
pub(super) mod route_settings;

use ferromesh_proto::envoy::extensions::filters::http::fault::v3::HttpFault;
use ferromesh_proto::envoy::extensions::filters::http::router::v3::Router as PbRouter;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3 as pb;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::istio::alpn::FilterConfig;
use ferromesh_proto::istio::alpn::filter_config::Protocol;
use ferromesh_proto::istio::peer_metadata;
use ferromesh_proto::istio::peer_metadata::config::discovery_method::MethodSpecifier;
use ferromesh_proto::{any, type_url};
use ferromesh_types::Str;
use std::mem::take;
use std::sync::Arc;

use super::context::Context;
use super::refusal::{At, Refusal, nothing_left};
use crate::compiled::{AlpnOverride, CorsFilter, FaultFilter, HttpFilter, PeerMetadata, Router};
use crate::stats::{CorsStats, FaultStats};

/// A filter that only reports: accepted, since traffic does not depend on it.
const TELEMETRY: &str = "stats.PluginConfig";

enum Kind {
    Idle,
    Filter(HttpFilter),
    Router(Router),
}

/// Compiles the filters of a connection manager; the router must be the last.
/// `prefix` is that of the manager's numbers.
pub(super) fn compile(
    filters: Vec<pb::HttpFilter>,
    prefix: &str,
    context: &mut Context<'_>,
) -> Result<(Vec<HttpFilter>, Router), Refusal> {
    let mut place = Place { prefix, context };
    let mut out = Vec::new();
    let mut router = None;
    for (index, filter) in filters.into_iter().enumerate() {
        if router.is_some() {
            let reason = "the router must be the last HTTP filter";
            return Err(Refusal::new(reason)).at_index("http_filters", index);
        }
        match http_filter(filter, &mut place).at_index("http_filters", index)? {
            Kind::Idle => {}
            Kind::Filter(filter) => out.push(filter),
            Kind::Router(settings) => router = Some(settings),
        }
    }
    let reason = "the last HTTP filter must be the router";
    let router = router.ok_or_else(|| Refusal::field("http_filters", reason))?;
    Ok((out, router))
}

/// What filters need besides their settings.
struct Place<'a, 'c> {
    prefix: &'a str,
    context: &'a mut Context<'c>,
}

fn http_filter(filter: pb::HttpFilter, place: &mut Place<'_, '_>) -> Result<Kind, Refusal> {
    if filter.disabled {
        return Ok(Kind::Idle);
    }
    match filter.config_type {
        Some(ConfigType::TypedConfig(config)) => {
            match typed(&config, &filter.name, place).at("typed_config") {
                // The control plane itself says that the filter may be missing.
                Err(_) if filter.is_optional => Ok(Kind::Idle),
                result => result,
            }
        }
        Some(ConfigType::ConfigDiscovery(_)) => {
            Err(Refusal::field("config_discovery", "is not supported"))
        }
        // Configs of older times give the router by name alone (D9).
        None if matches!(
            filter.name.as_str(),
            "envoy.filters.http.router" | "envoy.router"
        ) =>
        {
            Ok(Kind::Router(Router::default()))
        }
        None => Err(Refusal::field("typed_config", "is needed")),
    }
}

fn typed(config: &Any, name: &str, place: &mut Place<'_, '_>) -> Result<Kind, Refusal> {
    let compiler = place.context.compiler;
    let stats = &compiler.stats;
    let resolved = any::resolve(config)?;
    match type_url::message_name(&resolved.type_url) {
        "envoy.extensions.filters.http.router.v3.Router" => {
            router(any::unpack(&resolved)?).map(Kind::Router)
        }
        "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig" => {
            let filter = Arc::new(alpn(any::unpack(&resolved)?));
            Ok(Kind::Filter(HttpFilter::AlpnOverride(filter)))
        }
        "io.istio.http.peer_metadata.Config" => {
            let filter = peer_metadata(&any::unpack(&resolved)?);
            Ok(Kind::Filter(HttpFilter::PeerMetadata(filter)))
        }
        "envoy.extensions.filters.http.fault.v3.HTTPFault" => {
            let fault: HttpFault = any::unpack(&resolved)?;
            let fault = (fault != HttpFault::default()).then_some(fault);
            Ok(Kind::Filter(HttpFilter::Fault(Arc::new(FaultFilter {
                name: name.into(),
                fault: fault.map(fault::compile).transpose()?.map(Arc::new),
                stats: FaultStats::new(stats, &format!("{}fault.", place.prefix)),
            }))))
        }
        "envoy.extensions.filters.http.cors.v3.Cors" => {
            Ok(Kind::Filter(HttpFilter::Cors(Arc::new(CorsFilter {
                name: name.into(),
                stats: CorsStats::new(stats, &format!("{}cors.", place.prefix)),
            }))))
        }
        "envoy.extensions.filters.http.rbac.v3.RBAC" => {
            let filter = rbac::compile(any::unpack(&resolved)?, name, place)?;
            Ok(Kind::Filter(HttpFilter::Rbac(Arc::new(filter))))
        }
        "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig" => {
            let filter = by_name::compile(any::unpack(&resolved)?, name, place.context)?;
            Ok(Kind::Filter(HttpFilter::Name(Arc::new(filter))))
        }
        "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb" => {
            Ok(Kind::Filter(HttpFilter::GrpcWeb))
        }
        "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig" => {
            let filter = grpc_stats::compile(any::unpack(&resolved)?, stats)?;
            Ok(Kind::Filter(HttpFilter::GrpcStats(Arc::new(filter))))
        }
        TELEMETRY => Ok(Kind::Idle),
        name => Err(Refusal::new(format!(
            "the HTTP filter {name} is not supported"
        ))),
    }
}

fn router(mut value: PbRouter) -> Result<Router, Refusal> {
    let compiled = Router {
        suppress_envoy_headers: take(&mut value.suppress_envoy_headers),
        respect_expected_rq_timeout: take(&mut value.respect_expected_rq_timeout),
    };
    // Which numbers are kept and which spans are made.
    value.dynamic_stats = None;
    value.start_child_span = false;
    value.suppress_grpc_request_failure_code_stats = false;
    nothing_left(&value)?;
    Ok(compiled)
}

fn alpn(value: FilterConfig) -> AlpnOverride {
    let mut compiled = AlpnOverride::default();
    for each in value.alpn_override {
        let names: Vec<Str> = each.alpn_override.iter().map(Str::from).collect();
        match Protocol::try_from(each.upstream_protocol) {
            Ok(Protocol::Http10) => compiled.http10 = names,
            Ok(Protocol::Http11) => compiled.http11 = names,
            Ok(Protocol::Http2) => compiled.http2 = names,
            // A protocol that we do not speak is never overridden.
            Err(_) => {}
        }
    }
    compiled
}

fn peer_metadata(value: &peer_metadata::Config) -> PeerMetadata {
    let by_headers = |methods: &[peer_metadata::config::DiscoveryMethod]| {
        let mut kinds = methods.iter().map(|method| &method.method_specifier);
        kinds.any(|kind| matches!(kind, Some(MethodSpecifier::IstioHeaders(_))))
    };
    PeerMetadata {
        strip_request: by_headers(&value.downstream_discovery),
        strip_response: by_headers(&value.upstream_discovery),
    }
}
