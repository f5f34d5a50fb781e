//! The filter that looks up names of requests, and what routes say about it.

use std::mem::take;

use ferromesh_proto::envoy::extensions::filters::http::dynamic_forward_proxy::v3 as pb;
use ferromesh_proto::envoy::extensions::filters::http::dynamic_forward_proxy::v3::filter_config::ImplementationSpecifier;
use ferromesh_proto::envoy::extensions::filters::http::dynamic_forward_proxy::v3::per_route_config::HostRewriteSpecifier;

use crate::compiled::{NameFilter, NameRewrite};
use crate::xds::context::Context;
use crate::xds::name_caches;
use crate::xds::refusal::{At, Refusal, nothing_left};

/// Compiles the filter named `name`.
pub(super) fn compile(
    mut value: pb::FilterConfig,
    name: &str,
    context: &mut Context<'_>,
) -> Result<NameFilter, Refusal> {
    let names = match value.implementation_specifier.take() {
        Some(ImplementationSpecifier::DnsCacheConfig(config)) => {
            name_caches::compile(config, context).at("dns_cache_config")?
        }
        Some(ImplementationSpecifier::SubClusterConfig(_)) => {
            return Err(Refusal::field("sub_cluster_config", "is not supported"));
        }
        None => return Err(Refusal::field("dns_cache_config", "is needed")),
    };
    if take(&mut value.save_upstream_address) {
        context.without_effect("save_upstream_address");
    }
    // No filter sets such a state here, so the request's host is what counts in any case.
    value.allow_dynamic_host_from_filter_state = false;
    nothing_left(&value)?;
    Ok(NameFilter {
        name: name.into(),
        names,
    })
}

/// Compiles what a route says about it.
pub(super) fn of_route(value: pb::PerRouteConfig) -> NameRewrite {
    match value.host_rewrite_specifier {
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) if !host.is_empty() => {
            NameRewrite::Literal(host.into())
        }
        Some(HostRewriteSpecifier::HostRewriteHeader(name)) if !name.is_empty() => {
            NameRewrite::FromHeader(name.to_ascii_lowercase().into())
        }
        _ => NameRewrite::Keep,
    }
}
