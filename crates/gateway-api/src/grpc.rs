//! Rules of GRPCRoutes: a call is a POST to `/service/method`.

use ferromesh_config::StringMatch;
use ferromesh_config::kind::gateway_api::{
    GrpcMethodMatch, GrpcRoute, GrpcRouteMatch, GrpcRule, ValueMatchType,
};
use ferromesh_config::kind::virtual_service::{HttpMatchRequest, HttpRoute};
use ferromesh_types::Str;

use crate::backend::Source;
use crate::filter::Rule;
use crate::http::header;
use crate::listener::RouteKind;
use crate::route_rules::RouteRules;
use crate::written::{Entry, Written};

/// Any name of a service or method.
const ANY_NAME: &str = "[^/]+";

/// The rules of all GRPCRoutes.
pub(crate) fn rules<'a>(written: &'a Written) -> Vec<RouteRules<'a>> {
    let of_route = |route: Entry<'a, GrpcRoute>| {
        let spec = route.spec;
        RouteRules::of(
            RouteKind::Grpc,
            route.meta,
            &spec.parent_refs,
            &spec.hostnames,
            spec.rules.iter().map(|rule| (&rule.name, rule)),
            |source, name, rule| convert(written, source, name, rule),
        )
    };
    written.grpc_routes().into_iter().map(of_route).collect()
}

/// A rule as one route per condition.
fn convert(written: &Written, source: Source<'_>, name: &Str, rule: &GrpcRule) -> Vec<HttpRoute> {
    let conditions = rule.matches.iter().map(condition).collect();
    let parts = Rule {
        filters: &rule.filters,
        backends: &rule.backend_refs,
    };
    parts.routes(written, source, name, conditions)
}

fn condition(written: &GrpcRouteMatch) -> HttpMatchRequest {
    HttpMatchRequest {
        uri: written.method.as_ref().map(path),
        headers: written.headers.iter().rev().map(header).collect(),
        ..HttpMatchRequest::default()
    }
}

fn path(written: &GrpcMethodMatch) -> StringMatch {
    let or_any = |name: &Str| {
        if name.is_empty() {
            ANY_NAME.to_owned()
        } else {
            name.to_string()
        }
    };
    let (service, method) = (&written.service, &written.method);
    match written.r#type {
        ValueMatchType::Exact if method.is_empty() => {
            StringMatch::Prefix(format!("/{service}").into())
        }
        ValueMatchType::Exact if service.is_empty() => {
            StringMatch::Regex(format!("/{ANY_NAME}/{method}").into())
        }
        ValueMatchType::Exact => StringMatch::Exact(format!("/{service}/{method}").into()),
        ValueMatchType::RegularExpression => {
            StringMatch::Regex(format!("/{}/{}", or_any(service), or_any(method)).into())
        }
    }
}
