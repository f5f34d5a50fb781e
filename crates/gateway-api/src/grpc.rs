//! Rules of GRPCRoutes: a call is a POST to `/service/method`.

use ferromesh_config::StringMatch;
use ferromesh_config::kind::gateway_api::{
    GrpcMethodMatch, GrpcRouteMatch, GrpcRule, ValueMatchType,
};
use ferromesh_config::kind::virtual_service::{HttpMatchRequest, HttpRoute};
use ferromesh_types::Str;

use crate::attach::Attached;
use crate::backend::Source;
use crate::filter::Rule;
use crate::http::{header, name};
use crate::listener::RouteKind;
use crate::table::RouteRules;
use crate::written::Written;

/// Any name of a service or method.
const ANY_NAME: &str = "[^/]+";

/// The rules of all GRPCRoutes.
pub(crate) fn rules(written: &Written) -> Vec<RouteRules<'_>> {
    let routes = written.grpc_routes().into_iter();
    routes
        .map(|route| {
            let source = Source {
                kind: RouteKind::Grpc,
                namespace: route.meta.namespace(),
            };
            let each = route.spec.rules.iter().enumerate();
            let rules = each.flat_map(|(index, rule)| {
                let name = name(route.meta, &rule.name, index);
                convert(written, source, &name, rule)
            });
            RouteRules {
                meta: route.meta,
                attached: Attached {
                    kind: RouteKind::Grpc,
                    meta: route.meta,
                    parents: &route.spec.parent_refs,
                    hostnames: &route.spec.hostnames,
                },
                rules: rules.collect(),
            }
        })
        .collect()
}

fn convert(written: &Written, source: Source<'_>, name: &Str, rule: &GrpcRule) -> Vec<HttpRoute> {
    let everything = [GrpcRouteMatch::default()];
    let matches = if rule.matches.is_empty() {
        &everything[..]
    } else {
        &rule.matches
    };
    let parts = Rule {
        filters: &rule.filters,
        backends: &rule.backend_refs,
    };
    matches
        .iter()
        .map(|written_match| HttpRoute {
            name: name.clone(),
            ..parts.route(written, source, condition(written_match))
        })
        .collect()
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
