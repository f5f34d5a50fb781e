//! Settings of filters on routes, virtual hosts and route tables (`typed_per_filter_config`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ferromesh_proto::envoy::config::route::v3 as route;
use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::{any, type_url};
use ferromesh_route::FilterSettings;

use super::{by_name, cors, fault, rbac};
use crate::compiled::{RouteFilter, RouteFilters};
use crate::xds::refusal::{At, Refusal, nothing_left};

/// The names under which the fields that are older than the filters' own settings count.
const CORS: &str = "envoy.filters.http.cors";

/// Compiles the settings of one level. `cors` is its older field for the same.
pub(in crate::xds) fn compile(
    settings: HashMap<String, Any>,
    cors: Option<route::CorsPolicy>,
) -> Result<FilterSettings, Refusal> {
    let mut list = Vec::new();
    // In a fixed order, so that the same settings are always refused for the same one of them.
    let settings: BTreeMap<String, Any> = settings.into_iter().collect();
    for (name, config) in settings {
        let field = format!("typed_per_filter_config[{name}]");
        if let Some(filter) = one(&config).at(&field)? {
            list.push((name.into(), filter));
        }
    }
    if let Some(policy) = cors
        && !list.iter().any(|(name, _)| *name == *CORS)
    {
        let policy = cors::older(policy).at("cors")?;
        list.push((CORS.into(), RouteFilter::Cors(Arc::new(policy))));
    }
    Ok(if list.is_empty() {
        FilterSettings::default()
    } else {
        FilterSettings::new(RouteFilters { list })
    })
}

/// One filter's settings; `None` when they may be passed over.
fn one(config: &Any) -> Result<Option<RouteFilter>, Refusal> {
    let resolved = any::resolve(config)?;
    match type_url::message_name(&resolved.type_url) {
        "envoy.config.route.v3.FilterConfig" => wrapped(any::unpack(&resolved)?),
        "envoy.extensions.filters.http.fault.v3.HTTPFault" => {
            let fault = fault::compile(any::unpack(&resolved)?)?;
            Ok(Some(RouteFilter::Fault(Arc::new(fault))))
        }
        "envoy.extensions.filters.http.cors.v3.CorsPolicy" => {
            let policy = cors::compile(any::unpack(&resolved)?)?;
            Ok(Some(RouteFilter::Cors(Arc::new(policy))))
        }
        "envoy.extensions.filters.http.rbac.v3.RBACPerRoute" => {
            let rules = rbac::of_route(any::unpack(&resolved)?)?;
            Ok(Some(RouteFilter::Rbac(Arc::new(rules))))
        }
        "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig" => {
            let rewrite = by_name::of_route(any::unpack(&resolved)?);
            Ok(Some(RouteFilter::Name(rewrite)))
        }
        name => Err(Refusal::new(format!(
            "settings of type {name} are not supported"
        ))),
    }
}

fn wrapped(mut value: route::FilterConfig) -> Result<Option<RouteFilter>, Refusal> {
    if value.disabled {
        return Ok(Some(RouteFilter::Disabled));
    }
    let config = value.config.take();
    let optional = std::mem::take(&mut value.is_optional);
    nothing_left(&value)?;
    match config.map(|config| one(&config)) {
        Some(Err(_)) if optional => Ok(None),
        Some(result) => result.at("config"),
        // A filter with the settings that it has anyway.
        None => Ok(None),
    }
}
