//! CORS policies: the filter's settings, and the older fields of routes and virtual hosts.

use std::mem::take;

use ferromesh_proto::envoy::config::route::v3 as route;
use ferromesh_proto::envoy::config::route::v3::cors_policy::EnabledSpecifier;
use ferromesh_proto::envoy::extensions::filters::http::cors::v3 as pb;

use crate::compiled::CorsPolicy;
use crate::xds::matchers;
use crate::xds::refusal::{At, Refusal, nothing_left};

/// Compiles the filter's settings.
pub(super) fn compile(mut value: pb::CorsPolicy) -> Result<CorsPolicy, Refusal> {
    let origins = take(&mut value.allow_origin_string_match);
    let origins = origins.into_iter().enumerate().map(|(index, origin)| {
        matchers::string(origin).at_index("allow_origin_string_match", index)
    });
    let wrapped = |value: Option<ferromesh_proto::google::protobuf::BoolValue>| {
        value.map(|wrapped| wrapped.value)
    };
    let policy = CorsPolicy {
        allow_origins: origins.collect::<Result<_, _>>()?,
        allow_methods: take(&mut value.allow_methods).into(),
        allow_headers: take(&mut value.allow_headers).into(),
        expose_headers: take(&mut value.expose_headers).into(),
        max_age: take(&mut value.max_age).into(),
        allow_credentials: wrapped(value.allow_credentials.take()),
        allow_private_network: wrapped(value.allow_private_network_access.take()),
        forward_not_matching: wrapped(value.forward_not_matching_preflights.take()),
        enabled: value
            .filter_enabled
            .take()
            .map(matchers::runtime_fraction)
            .transpose()
            .at("filter_enabled")?,
        shadow_enabled: value
            .shadow_enabled
            .take()
            .map(matchers::runtime_fraction)
            .transpose()
            .at("shadow_enabled")?,
    };
    nothing_left(&value)?;
    Ok(policy)
}

/// Compiles the older field, which says the same.
pub(super) fn older(value: route::CorsPolicy) -> Result<CorsPolicy, Refusal> {
    compile(pb::CorsPolicy {
        allow_origin_string_match: value.allow_origin_string_match,
        allow_methods: value.allow_methods,
        allow_headers: value.allow_headers,
        expose_headers: value.expose_headers,
        max_age: value.max_age,
        allow_credentials: value.allow_credentials,
        filter_enabled: value.enabled_specifier.map(|enabled| {
            let EnabledSpecifier::FilterEnabled(share) = enabled;
            share
        }),
        shadow_enabled: value.shadow_enabled,
        allow_private_network_access: value.allow_private_network_access,
        forward_not_matching_preflights: value.forward_not_matching_preflights,
    })
}
