//! What happens to a request that a route matched: forward, redirect, or answer.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ferromesh_config::kind::virtual_service::{
    Destination, HttpDirectResponse, HttpRedirect, HttpRoute, HttpRouteDestination, Percent,
    RedirectPort, RegexRewrite, RouteSemantics,
};
use ferromesh_proto::envoy::config::core::v3::{
    DataSource, RuntimeFractionalPercent, data_source::Specifier,
};
use ferromesh_proto::envoy::config::route::v3::{
    DirectResponseAction, RedirectAction, RouteAction, WeightedCluster,
    redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
    route::Action,
    route_action::{
        ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier, RequestMirrorPolicy,
    },
    weighted_cluster::{self, ClusterWeight},
};
use ferromesh_proto::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;

use super::headers::HeaderChanges;
use super::retry;
use super::scope::{RouteOwner, RouteScope, Target};
use crate::http_filter::fault::share;
use crate::value::{duration, flag, number, regex_matcher};

/// The action of a rule; `None` if the rule says nothing at all. `authority` is the new host that
/// header changes ask for; a rewrite of the authority wins over it.
pub(crate) fn of(
    owner: RouteOwner<'_>,
    http: &HttpRoute,
    authority: Option<String>,
    scope: &RouteScope<'_>,
) -> Option<Action> {
    if let Some(redirect) = &http.redirect {
        return Some(Action::Redirect(redirect_action(redirect, scope.port)));
    }
    if let Some(answer) = &http.direct_response {
        return Some(Action::DirectResponse(direct_response(answer)));
    }
    if http.route.is_empty() {
        return None;
    }
    Some(Action::Route(forward(owner, http, authority, scope)))
}

/// Forwarding to one cluster without any wish: what a service without VirtualService gets. An empty
/// name leaves the cluster open.
pub(crate) fn to_cluster(
    cluster: String,
    timeout: Duration,
    retries: Option<ferromesh_proto::envoy::config::route::v3::RetryPolicy>,
) -> RouteAction {
    RouteAction {
        timeout: Some(duration(timeout)),
        max_grpc_timeout: Some(duration(timeout)),
        retry_policy: retries,
        cluster_specifier: (!cluster.is_empty()).then_some(ClusterSpecifier::Cluster(cluster)),
        ..Default::default()
    }
}

fn forward(
    owner: RouteOwner<'_>,
    http: &HttpRoute,
    authority: Option<String>,
    scope: &RouteScope<'_>,
) -> RouteAction {
    let targets: Vec<(Target, &HttpRouteDestination)> = http
        .route
        .iter()
        .map(|route| (scope.target(owner, &route.destination), route))
        .collect();
    let hash_policy = targets
        .iter()
        .map(|(t, _)| scope.destinations.hash_policy(&t.host, &t.subset, t.port))
        .find(|policy| !policy.is_empty())
        .unwrap_or_default();
    let retries = retry::policy(
        http.retries.as_ref(),
        scope.default_retries,
        !hash_policy.is_empty(),
    );
    let timeout = http.timeout.map(|limit| *limit).unwrap_or_default();
    let mut action = RouteAction {
        request_mirror_policies: mirrors(owner, http, scope),
        hash_policy,
        ..to_cluster(String::new(), timeout, retries)
    };
    action.cluster_specifier = Some(clusters(targets));
    if owner.semantics == RouteSemantics::GatewayApi {
        action.cluster_not_found_response_code =
            ClusterNotFoundResponseCode::InternalServerError as i32;
    }
    rewrite(&mut action, http, authority);
    action
}

fn clusters(targets: Vec<(Target, &HttpRouteDestination)>) -> ClusterSpecifier {
    if let [(target, _)] = targets.as_slice() {
        return ClusterSpecifier::Cluster(target.cluster());
    }
    // Weights that are all zero say "no preference"; Envoy refuses a sum of zero.
    let equal = targets.iter().all(|(_, route)| route.weight == 0);
    let clusters = targets
        .iter()
        .filter(|(_, route)| equal || route.weight > 0)
        .map(|(target, route)| weighted(target, route, if equal { 1 } else { route.weight }))
        .collect();
    ClusterSpecifier::WeightedClusters(WeightedCluster {
        clusters,
        ..Default::default()
    })
}

fn weighted(target: &Target, route: &HttpRouteDestination, weight: u32) -> ClusterWeight {
    let headers = HeaderChanges::of(route.headers.as_ref());
    ClusterWeight {
        name: target.cluster(),
        weight: number(weight),
        request_headers_to_add: headers.request_add,
        request_headers_to_remove: headers.request_remove,
        response_headers_to_add: headers.response_add,
        response_headers_to_remove: headers.response_remove,
        host_rewrite_specifier: headers
            .authority
            .map(weighted_cluster::cluster_weight::HostRewriteSpecifier::HostRewriteLiteral),
        ..Default::default()
    }
}

fn rewrite(action: &mut RouteAction, http: &HttpRoute, mut authority: Option<String>) {
    if let Some(rewrite) = &http.rewrite {
        if let Some(regex) = &rewrite.uri_regex_rewrite {
            action.regex_rewrite = Some(substitution(regex));
        } else {
            action.prefix_rewrite = rewrite.uri.to_string();
        }
        if !rewrite.authority.is_empty() {
            authority = Some(rewrite.authority.to_string());
        }
    }
    action.host_rewrite_specifier = authority.map(HostRewriteSpecifier::HostRewriteLiteral);
}

fn substitution(regex: &RegexRewrite) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute {
        pattern: Some(regex_matcher(regex.r#match.as_str())),
        substitution: regex.rewrite.to_string(),
    }
}

fn mirrors(
    owner: RouteOwner<'_>,
    http: &HttpRoute,
    scope: &RouteScope<'_>,
) -> Vec<RequestMirrorPolicy> {
    let whole = http.mirror_percent.map(|percent| Percent {
        value: f64::from(percent),
    });
    let single = http
        .mirror
        .iter()
        .map(|to| (to, http.mirror_percentage.or(whole)));
    let several = http.mirrors.iter().map(|m| (&m.destination, m.percentage));
    single
        .chain(several)
        .filter(|(_, percent)| percent.is_none_or(|percent| percent.value > 0.0))
        .map(|(to, percent)| mirror(owner, to, percent, scope))
        .collect()
}

fn mirror(
    owner: RouteOwner<'_>,
    to: &Destination,
    percent: Option<Percent>,
    scope: &RouteScope<'_>,
) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster: scope.target(owner, to).cluster(),
        runtime_fraction: Some(RuntimeFractionalPercent {
            default_value: Some(share(percent.unwrap_or(Percent { value: 100.0 }))),
            ..Default::default()
        }),
        trace_sampled: flag(false),
        disable_shadow_host_suffix_append: true,
        ..Default::default()
    }
}

/// `port` is where the request was sent to.
fn redirect_action(redirect: &HttpRedirect, port: u16) -> RedirectAction {
    let derived = match redirect.derive_port {
        Some(RedirectPort::FromRequestPort) => Some(port),
        Some(RedirectPort::FromProtocolDefault) | None => None,
    };
    let wanted = redirect.port.or(derived).unwrap_or_default();
    // The default port of a scheme is not written into the location.
    let implied = match redirect.scheme.as_str() {
        "https" => wanted == 443,
        "http" => wanted == 80,
        _ => false,
    };
    RedirectAction {
        host_redirect: redirect.authority.to_string(),
        port_redirect: if implied { 0 } else { u32::from(wanted) },
        response_code: response_code(redirect.redirect_code.unwrap_or(301)) as i32,
        scheme_rewrite_specifier: (!redirect.scheme.is_empty())
            .then(|| SchemeRewriteSpecifier::SchemeRedirect(redirect.scheme.to_string())),
        path_rewrite_specifier: redirect_path(redirect),
        ..Default::default()
    }
}

fn redirect_path(redirect: &HttpRedirect) -> Option<PathRewriteSpecifier> {
    let Some(rewrite) = &redirect.path_rewrite else {
        let whole = Some(&redirect.uri).filter(|uri| !uri.is_empty());
        return whole.map(|uri| PathRewriteSpecifier::PathRedirect(uri.to_string()));
    };
    Some(match &rewrite.uri_regex_rewrite {
        Some(regex) => PathRewriteSpecifier::RegexRewrite(substitution(regex)),
        None => PathRewriteSpecifier::PrefixRewrite(rewrite.uri.to_string()),
    })
}

fn response_code(code: u32) -> RedirectResponseCode {
    match code {
        302 => RedirectResponseCode::Found,
        303 => RedirectResponseCode::SeeOther,
        307 => RedirectResponseCode::TemporaryRedirect,
        308 => RedirectResponseCode::PermanentRedirect,
        _ => RedirectResponseCode::MovedPermanently,
    }
}

fn direct_response(answer: &HttpDirectResponse) -> DirectResponseAction {
    let body = answer.body.as_ref().and_then(|body| {
        let text = body
            .string
            .as_ref()
            .map(|s| Specifier::InlineString(s.to_string()));
        let bytes = body
            .bytes
            .as_ref()
            .and_then(|b| STANDARD.decode(b.as_bytes()).ok())
            .map(Specifier::InlineBytes);
        text.or(bytes)
    });
    DirectResponseAction {
        status: answer.status,
        body: body.map(|specifier| DataSource {
            specifier: Some(specifier),
            ..Default::default()
        }),
        ..Default::default()
    }
}
