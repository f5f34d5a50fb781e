//! Route configurations (RDS, or inline in a connection manager).

use std::mem::take;
use std::sync::Arc;

use ferromesh_proto::envoy::config::core::v3::Metadata;
use ferromesh_proto::envoy::config::route::v3 as pb;
use ferromesh_proto::envoy::config::route::v3::route_match::PathSpecifier;
use ferromesh_proto::envoy::config::route::v3::virtual_host::TlsRequirementType;
use ferromesh_route::path_match::PathMatch;
use ferromesh_route::table::RequireTls;
use ferromesh_route::{Decorator, Route, RouteMatch, RouteTable, VirtualHost};
use ferromesh_types::Str;

use super::fields::{flag, metadata_object, text_member};
use super::header_edits::mutations;
use super::http_filters::route_settings;
use super::refusal::{At, Refusal, nothing_left};
use super::{matchers, mirrors, retries, route_action};

/// Compiles a route configuration of the given version.
pub fn compile(mut config: pb::RouteConfiguration, version: &str) -> Result<RouteTable, Refusal> {
    let mut table = RouteTable::new(
        take(&mut config.name).into(),
        version.into(),
        take(&mut config.ignore_port_in_host_matching),
    );
    table.headers = mutations(
        take(&mut config.request_headers_to_add),
        take(&mut config.request_headers_to_remove),
        take(&mut config.response_headers_to_add),
        take(&mut config.response_headers_to_remove),
    )?;
    table.most_specific_headers_win = take(&mut config.most_specific_header_mutations_wins);
    table.filters = route_settings::compile(take(&mut config.typed_per_filter_config), None)?;
    for (index, host) in take(&mut config.virtual_hosts).into_iter().enumerate() {
        let host = virtual_host(host).at_index("virtual_hosts", index)?;
        table.push(host).at_index("virtual_hosts", index)?;
    }
    // A missing cluster answers 503 (or what the route says), whether checked before or not. The
    // size of direct responses was checked by whoever sent them.
    config.validate_clusters = None;
    config.max_direct_response_body_size_bytes = None;
    config.metadata = None;
    nothing_left(&config)?;
    Ok(table)
}

fn virtual_host(mut host: pb::VirtualHost) -> Result<VirtualHost, Refusal> {
    let require_tls = match host.require_tls() {
        TlsRequirementType::None => RequireTls::None,
        TlsRequirementType::ExternalOnly => RequireTls::External,
        TlsRequirementType::All => RequireTls::All,
    };
    host.require_tls = 0;
    let headers = mutations(
        take(&mut host.request_headers_to_add),
        take(&mut host.request_headers_to_remove),
        take(&mut host.response_headers_to_add),
        take(&mut host.response_headers_to_remove),
    )?;
    let routes = take(&mut host.routes);
    let compiled = VirtualHost {
        name: take(&mut host.name).into(),
        domains: take(&mut host.domains).into_iter().map(Str::from).collect(),
        routes: routes
            .into_iter()
            .enumerate()
            .map(|(index, each)| route(each).map(Arc::new).at_index("routes", index))
            .collect::<Result<_, _>>()?,
        require_tls,
        headers,
        retry: host
            .retry_policy
            .take()
            .map(retries::compile)
            .transpose()
            .at("retry_policy")?,
        hedge_on_per_try_timeout: host
            .hedge_policy
            .take()
            .map(mirrors::hedges)
            .transpose()
            .at("hedge_policy")?
            .unwrap_or(false),
        mirrors: mirrors::compile(take(&mut host.request_mirror_policies))?,
        request_attempt_count: take(&mut host.include_request_attempt_count),
        response_attempt_count: take(&mut host.include_attempt_count_in_response),
        filters: route_settings::compile(
            take(&mut host.typed_per_filter_config),
            host.cors.take(),
        )?,
    };
    if compiled.domains.is_empty() {
        return Err(Refusal::field("domains", "at least one domain is needed"));
    }
    host.metadata = None;
    nothing_left(&host)?;
    Ok(compiled)
}

fn route(mut route: pb::Route) -> Result<Route, Refusal> {
    let older_cors = match &mut route.action {
        Some(pb::route::Action::Route(action)) => action.cors.take(),
        _ => None,
    };
    let compiled = Route {
        name: take(&mut route.name).into(),
        matcher: route_match(route.r#match.take().unwrap_or_default()).at("match")?,
        action: route_action::compile(route.action.take())?,
        headers: mutations(
            take(&mut route.request_headers_to_add),
            take(&mut route.request_headers_to_remove),
            take(&mut route.response_headers_to_add),
            take(&mut route.response_headers_to_remove),
        )?,
        filters: route_settings::compile(take(&mut route.typed_per_filter_config), older_cors)?,
        decorator: route.decorator.take().map(|decorator| Decorator {
            operation: decorator.operation.into(),
            propagate: flag(decorator.propagate, true),
        }),
        origin: origin(route.metadata.take().as_ref()),
    };
    // Settings of tracing: no spans are made.
    route.tracing = None;
    // Numbers are kept by virtual host and cluster, not by route.
    route.stat_prefix.clear();
    nothing_left(&route)?;
    Ok(compiled)
}

/// The config object behind a route, as Istio's control plane notes it.
fn origin(metadata: Option<&Metadata>) -> Option<Str> {
    let config = text_member(&metadata_object(metadata, "istio"), "config");
    (!config.is_empty()).then_some(config)
}

fn route_match(mut wanted: pb::RouteMatch) -> Result<RouteMatch, Refusal> {
    let path = match wanted.path_specifier.take() {
        Some(PathSpecifier::Prefix(text)) => PathMatch::Prefix(text),
        Some(PathSpecifier::Path(text)) => PathMatch::Exact(text),
        Some(PathSpecifier::PathSeparatedPrefix(text)) => PathMatch::SegmentPrefix(text),
        Some(PathSpecifier::SafeRegex(pattern)) => {
            PathMatch::Regex(matchers::regex(&pattern).at("safe_regex")?)
        }
        Some(PathSpecifier::ConnectMatcher(_)) => PathMatch::Connect,
        Some(PathSpecifier::PathMatchPolicy(_)) => {
            return Err(Refusal::field("path_match_policy", "is not supported"));
        }
        None => return Err(Refusal::new("a path specifier is needed")),
    };
    let query = take(&mut wanted.query_parameters);
    let tls = wanted.tls_context.take().unwrap_or_default();
    let compiled = RouteMatch {
        path,
        case_sensitive: flag(wanted.case_sensitive.take(), true),
        headers: matchers::headers(take(&mut wanted.headers), "headers")?,
        query: query
            .into_iter()
            .enumerate()
            .map(|(index, each)| matchers::query(each).at_index("query_parameters", index))
            .collect::<Result<_, _>>()?,
        fraction: wanted
            .runtime_fraction
            .take()
            .map(matchers::runtime_fraction)
            .transpose()
            .at("runtime_fraction")?,
        grpc: wanted.grpc.take().is_some(),
        certificate_presented: tls.presented.map(|wrapped| wrapped.value),
        certificate_validated: tls.validated.map(|wrapped| wrapped.value),
    };
    nothing_left(&wanted)?;
    Ok(compiled)
}
