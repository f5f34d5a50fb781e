//! One HTTP route of a VirtualService: its condition, its action, its settings of filters.
//!
//! In: the typed route and a [`RouteScope`]. Out: encoded routes in order, cut off after the first
//! that no request escapes. They are encoded here because their maps must be written in order.

use std::collections::BTreeMap;

use ferromesh_config::kind::virtual_service::{HttpMatchRequest, HttpRoute, VirtualService};
use ferromesh_proto::envoy::config::route::v3::{Route, RouteAction, RouteMatch, route::Action};
use ferromesh_proto::google::protobuf::Any;
use prost::Message;

use super::action;
use super::headers::HeaderChanges;
use super::route_match::{any_request, is_catch_all, route_match};
use super::scope::{RouteOwner, RouteScope};
use crate::http_filter::{cors, fault};
use crate::wire::{self, Metadata};

/// Field numbers of `envoy.config.route.v3.Route`, and of its action.
mod field {
    pub(super) const ROUTE_ACTION: u32 = 2;
    /// `RouteAction.cluster`.
    pub(super) const CLUSTER: u32 = 1;
    pub(super) const METADATA: u32 = 4;
    pub(super) const TYPED_PER_FILTER_CONFIG: u32 = 13;
}

/// An encoded route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EncodedRoute {
    /// The encoded message.
    pub(crate) bytes: Vec<u8>,
    /// Whether no request goes past it.
    pub(crate) catch_all: bool,
}

impl EncodedRoute {
    /// Encodes a route without maps.
    pub(crate) fn plain(route: &Route) -> Self {
        Self {
            bytes: route.encode_to_vec(),
            catch_all: route.r#match.as_ref().is_some_and(is_catch_all),
        }
    }
}

/// A route for all requests, of which only the cluster differs from host to host.
#[derive(Clone, Debug)]
pub(crate) struct RouteTemplate {
    head: Vec<u8>,
    action: Vec<u8>,
}

impl RouteTemplate {
    /// A route of this name and action; the action names no cluster yet.
    pub(crate) fn new(name: &str, action: &RouteAction) -> Self {
        let head = Route {
            name: name.to_owned(),
            r#match: Some(any_request()),
            ..Default::default()
        };
        Self {
            head: head.encode_to_vec(),
            action: action.encode_to_vec(),
        }
    }

    /// The route to this cluster.
    pub(crate) fn to(&self, cluster: &str) -> EncodedRoute {
        let mut action = Vec::with_capacity(self.action.len() + cluster.len() + 4);
        wire::append_encoded(&mut action, field::CLUSTER, cluster.as_bytes());
        action.extend_from_slice(&self.action);
        let mut bytes = Vec::with_capacity(self.head.len() + action.len() + 4);
        bytes.extend_from_slice(&self.head);
        wire::append_encoded(&mut bytes, field::ROUTE_ACTION, &action);
        EncodedRoute {
            bytes,
            catch_all: true,
        }
    }
}

/// The routes of a VirtualService that hold in `scope`, in order.
pub(crate) fn routes(
    owner: RouteOwner<'_>,
    service: &VirtualService,
    scope: &RouteScope<'_>,
) -> Vec<EncodedRoute> {
    let mut all = Vec::new();
    for http in &service.http {
        for condition in conditions(http) {
            let admitted = condition.is_none_or(|c| {
                scope.admits(
                    owner,
                    &c.gateways,
                    &c.source_labels,
                    &c.source_namespace,
                    c.port,
                )
            });
            if !admitted {
                continue;
            }
            let Some(route) = route(owner, http, condition, scope) else {
                continue;
            };
            let last = route.catch_all;
            all.push(route);
            if last {
                return all;
            }
        }
    }
    all
}

/// A rule without conditions is one with a condition that always holds.
fn conditions(http: &HttpRoute) -> impl Iterator<Item = Option<&HttpMatchRequest>> {
    let none = http.r#match.is_empty().then_some(None);
    http.r#match.iter().map(Some).chain(none)
}

fn route(
    owner: RouteOwner<'_>,
    http: &HttpRoute,
    condition: Option<&HttpMatchRequest>,
    scope: &RouteScope<'_>,
) -> Option<EncodedRoute> {
    let matcher = route_match(condition, owner.semantics);
    let catch_all = is_catch_all(&matcher);
    let mut headers = HeaderChanges::of(http.headers.as_ref());
    if let [only] = http.route.as_slice() {
        headers.extend(HeaderChanges::of(only.headers.as_ref()));
    }
    let action = action::of(owner, http, headers.authority.take(), scope)?;
    let message = message(http, condition, matcher, headers, action);
    let mut bytes = message.encode_to_vec();
    wire::append(&mut bytes, field::METADATA, &origin(owner));
    for (name, settings) in filter_settings(http) {
        wire::append_any_entry(&mut bytes, field::TYPED_PER_FILTER_CONFIG, name, &settings);
    }
    Some(EncodedRoute { bytes, catch_all })
}

fn message(
    http: &HttpRoute,
    condition: Option<&HttpMatchRequest>,
    matcher: RouteMatch,
    headers: HeaderChanges,
    action: Action,
) -> Route {
    Route {
        name: route_name(http, condition),
        r#match: Some(matcher),
        request_headers_to_add: headers.request_add,
        request_headers_to_remove: headers.request_remove,
        response_headers_to_add: headers.response_add,
        response_headers_to_remove: headers.response_remove,
        stat_prefix: condition
            .map(|c| c.stat_prefix.to_string())
            .unwrap_or_default(),
        action: Some(action),
        ..Default::default()
    }
}

/// `rule.condition`, as far as they have names.
fn route_name(http: &HttpRoute, condition: Option<&HttpMatchRequest>) -> String {
    match condition {
        Some(condition) if !condition.name.is_empty() => {
            format!("{}.{}", http.name, condition.name)
        }
        _ => http.name.to_string(),
    }
}

/// Which object a route comes from; `describe` commands and consoles read it.
fn origin(owner: RouteOwner<'_>) -> Metadata {
    let path = format!(
        "/apis/networking.istio.io/v1/namespaces/{}/virtual-service/{}",
        owner.namespace, owner.name
    );
    Metadata::of("istio", wire::structure([("config", wire::text(path))]))
}

fn filter_settings(http: &HttpRoute) -> BTreeMap<&'static str, Any> {
    let fault = http
        .fault
        .as_ref()
        .and_then(fault::settings)
        .map(|settings| (fault::NAME, settings));
    let cors = http
        .cors_policy
        .as_ref()
        .map(|policy| (cors::NAME, cors::settings(policy)));
    fault.into_iter().chain(cors).collect()
}
