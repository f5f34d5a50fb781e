//! What routes do: forward, redirect, answer. Retries are in `retries`.

use std::mem::take;
use std::sync::Arc;

use ferromesh_proto::envoy::config::core::v3::RoutingPriority;
use ferromesh_proto::envoy::config::route::v3 as pb;
use ferromesh_proto::envoy::config::route::v3::redirect_action::{
    PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier,
};
use ferromesh_proto::envoy::config::route::v3::route::Action as PbAction;
use ferromesh_proto::envoy::config::route::v3::route_action::hash_policy::PolicySpecifier;
use ferromesh_proto::envoy::config::route::v3::route_action::{
    ClusterNotFoundResponseCode, ClusterSpecifier, HashPolicy as PbHashPolicy, HostRewriteSpecifier,
};
use ferromesh_proto::envoy::config::route::v3::weighted_cluster::ClusterWeight;
use ferromesh_proto::envoy::config::route::v3::weighted_cluster::cluster_weight;
use ferromesh_route::hash_policy::{HashPolicy, HashSource};
use ferromesh_route::redirect::RedirectPath;
use ferromesh_route::rewrite::{HostRewrite, PathRewrite};
use ferromesh_route::weighted::WeightedClusters;
use ferromesh_route::{
    Action, ClusterChoice, DirectResponse, EndpointMatch, Forward, Redirect, Timeouts,
    WeightedCluster,
};

use super::fields::{data, duration, flag, limit, number, port};
use super::header_edits::mutations;
use super::http_filters::route_settings;
use super::refusal::{At, Refusal, nothing_left};
use super::{matchers, mirrors, retries, subsets};

/// Compiles a route's action.
pub(super) fn compile(action: Option<PbAction>) -> Result<Action, Refusal> {
    match action {
        Some(PbAction::Route(action)) => {
            let forward = forward(action).at("route")?;
            Ok(Action::Forward(Box::new(forward)))
        }
        Some(PbAction::Redirect(action)) => {
            let redirect = redirect(action).at("redirect")?;
            Ok(Action::Redirect(Box::new(redirect)))
        }
        Some(PbAction::DirectResponse(action)) => direct_response(action).at("direct_response"),
        Some(PbAction::FilterAction(_)) => Err(Refusal::field("filter_action", "is not supported")),
        Some(PbAction::NonForwardingAction(_)) => {
            Err(Refusal::field("non_forwarding_action", "is not supported"))
        }
        None => Err(Refusal::new("a route needs an action")),
    }
}

fn direct_response(action: pb::DirectResponseAction) -> Result<Action, Refusal> {
    if action.body_format.is_some() {
        return Err(Refusal::field("body_format", "is not supported"));
    }
    let status = u16::try_from(action.status).ok();
    let status = status.filter(|status| (200..600).contains(status));
    Ok(Action::Respond(DirectResponse {
        status: status.ok_or_else(|| Refusal::field("status", "must be between 200 and 599"))?,
        body: match action.body {
            Some(body) => data(body).at("body")?.into(),
            None => bytes::Bytes::new(),
        },
    }))
}

fn redirect(action: pb::RedirectAction) -> Result<Redirect, Refusal> {
    let status = match action.response_code() {
        RedirectResponseCode::MovedPermanently => 301,
        RedirectResponseCode::Found => 302,
        RedirectResponseCode::SeeOther => 303,
        RedirectResponseCode::TemporaryRedirect => 307,
        RedirectResponseCode::PermanentRedirect => 308,
    };
    let path = match action.path_rewrite_specifier {
        None => None,
        // Control planes write an empty path for none; the path stays then.
        Some(PathRewriteSpecifier::PathRedirect(path)) if path.is_empty() => None,
        Some(PathRewriteSpecifier::PathRedirect(path)) => Some(RedirectPath::Whole(path.into())),
        Some(PathRewriteSpecifier::PrefixRewrite(prefix)) => {
            Some(RedirectPath::Rewrite(PathRewrite::Prefix(prefix.into())))
        }
        Some(PathRewriteSpecifier::RegexRewrite(rewrite)) => {
            let substitution = matchers::substitution(rewrite).at("regex_rewrite")?;
            Some(RedirectPath::Rewrite(PathRewrite::Substitute(substitution)))
        }
        Some(PathRewriteSpecifier::PathRewrite(_)) => {
            return Err(Refusal::field("path_rewrite", "is not supported"));
        }
    };
    Ok(Redirect {
        status,
        scheme: match action.scheme_rewrite_specifier {
            Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => Some("https".into()),
            Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => Some(scheme.into()),
            Some(SchemeRewriteSpecifier::HttpsRedirect(false)) | None => None,
        },
        host: (!action.host_redirect.is_empty()).then(|| action.host_redirect.into()),
        port: match action.port_redirect {
            0 => None,
            value => Some(port(value).at("port_redirect")?),
        },
        path,
        strip_query: action.strip_query,
    })
}

fn forward(mut action: pb::RouteAction) -> Result<Forward, Refusal> {
    let wanted = subsets::endpoint_match(action.metadata_match.take(), None);
    let forward = Forward {
        cluster: cluster(action.cluster_specifier.take(), wanted.as_ref())?,
        endpoint_match: wanted,
        cluster_not_found_status: match action.cluster_not_found_response_code() {
            ClusterNotFoundResponseCode::ServiceUnavailable => 503,
            ClusterNotFoundResponseCode::NotFound => 404,
            ClusterNotFoundResponseCode::InternalServerError => 500,
        },
        path_rewrite: path_rewrite(&mut action)?,
        host_rewrite: host_rewrite(action.host_rewrite_specifier.take())?,
        append_x_forwarded_host: take(&mut action.append_x_forwarded_host),
        timeouts: timeouts(&mut action)?,
        retry: action
            .retry_policy
            .take()
            .map(retries::compile)
            .transpose()
            .at("retry_policy")?,
        hedge_on_per_try_timeout: action
            .hedge_policy
            .take()
            .map(mirrors::hedges)
            .transpose()
            .at("hedge_policy")?,
        mirrors: mirrors::compile(take(&mut action.request_mirror_policies))?,
        high_priority: action.priority() == RoutingPriority::High,
        hash_policies: hash_policies(take(&mut action.hash_policy))?,
        ends_connect: ends_connect(&mut action.upgrade_configs)?,
        upgrades: upgrades(take(&mut action.upgrade_configs)),
    };
    action.cluster_not_found_response_code = 0;
    action.priority = 0;
    nothing_left(&action)?;
    Ok(forward)
}

fn cluster(
    specifier: Option<ClusterSpecifier>,
    wanted: Option<&Arc<EndpointMatch>>,
) -> Result<ClusterChoice, Refusal> {
    match specifier {
        Some(ClusterSpecifier::Cluster(name)) => Ok(ClusterChoice::Named(name.into())),
        Some(ClusterSpecifier::ClusterHeader(name)) => {
            Ok(ClusterChoice::FromHeader(name.to_ascii_lowercase().into()))
        }
        Some(ClusterSpecifier::WeightedClusters(clusters)) => {
            weighted(clusters, wanted).at("weighted_clusters")
        }
        Some(
            ClusterSpecifier::ClusterSpecifierPlugin(_)
            | ClusterSpecifier::InlineClusterSpecifierPlugin(_),
        ) => Err(Refusal::field(
            "cluster_specifier_plugin",
            "is not supported",
        )),
        None => Err(Refusal::new("a cluster is needed")),
    }
}

fn weighted(
    mut clusters: pb::WeightedCluster,
    wanted: Option<&Arc<EndpointMatch>>,
) -> Result<ClusterChoice, Refusal> {
    let list = take(&mut clusters.clusters)
        .into_iter()
        .enumerate()
        .map(|(index, each)| cluster_weight(each, wanted).at_index("clusters", index))
        .collect::<Result<Vec<_>, _>>()?;
    // The sum is what counts; an older field repeats it, and there is no runtime to override it.
    clusters.total_weight = None;
    clusters.runtime_key_prefix = String::new();
    nothing_left(&clusters)?;
    WeightedClusters::new(list)
        .map(ClusterChoice::Weighted)
        .ok_or_else(|| Refusal::new("the weights of all clusters are zero"))
}

fn cluster_weight(
    mut each: ClusterWeight,
    wanted: Option<&Arc<EndpointMatch>>,
) -> Result<WeightedCluster, Refusal> {
    let compiled = WeightedCluster {
        name: take(&mut each.name).into(),
        weight: number(each.weight.take()).unwrap_or(0),
        headers: mutations(
            take(&mut each.request_headers_to_add),
            take(&mut each.request_headers_to_remove),
            take(&mut each.response_headers_to_add),
            take(&mut each.response_headers_to_remove),
        )?,
        host_rewrite: each.host_rewrite_specifier.take().map(|specifier| {
            let cluster_weight::HostRewriteSpecifier::HostRewriteLiteral(host) = specifier;
            host.into()
        }),
        endpoint_match: subsets::endpoint_match(each.metadata_match.take(), wanted),
        filters: route_settings::compile(take(&mut each.typed_per_filter_config), None)?,
    };
    nothing_left(&each)?;
    Ok(compiled)
}

fn path_rewrite(action: &mut pb::RouteAction) -> Result<Option<PathRewrite>, Refusal> {
    let prefix = take(&mut action.prefix_rewrite);
    if let Some(rewrite) = action.regex_rewrite.take() {
        if !prefix.is_empty() {
            return Err(Refusal::field(
                "regex_rewrite",
                "cannot be used together with prefix_rewrite",
            ));
        }
        let substitution = matchers::substitution(rewrite).at("regex_rewrite")?;
        return Ok(Some(PathRewrite::Substitute(substitution)));
    }
    Ok((!prefix.is_empty()).then(|| PathRewrite::Prefix(prefix.into())))
}

fn host_rewrite(specifier: Option<HostRewriteSpecifier>) -> Result<Option<HostRewrite>, Refusal> {
    Ok(match specifier {
        None => None,
        Some(
            HostRewriteSpecifier::HostRewriteLiteral(host)
            | HostRewriteSpecifier::HostRewrite(host),
        ) => Some(HostRewrite::Literal(host.into())),
        Some(HostRewriteSpecifier::AutoHostRewrite(wrapped)) => {
            wrapped.value.then_some(HostRewrite::Endpoint)
        }
        Some(HostRewriteSpecifier::HostRewriteHeader(name)) => {
            Some(HostRewrite::FromHeader(name.to_ascii_lowercase().into()))
        }
        Some(HostRewriteSpecifier::HostRewritePathRegex(rewrite)) => Some(HostRewrite::FromPath(
            matchers::substitution(rewrite).at("host_rewrite_path_regex")?,
        )),
    })
}

fn timeouts(action: &mut pb::RouteAction) -> Result<Timeouts, Refusal> {
    let defaults = Timeouts::default();
    let mut timeouts = Timeouts {
        request: limit(action.timeout.take(), defaults.request).at("timeout")?,
        idle: action
            .idle_timeout
            .take()
            .map(|value| limit(Some(value), None))
            .transpose()
            .at("idle_timeout")?,
        max_stream_duration: None,
        limits_streams: action.max_stream_duration.is_some(),
        grpc_header_max: None,
        grpc_timeout_max: action
            .max_grpc_timeout
            .take()
            .map(|value| limit(Some(value), None))
            .transpose()
            .at("max_grpc_timeout")?,
    };
    if let Some(mut stream) = action.max_stream_duration.take() {
        let inner = |value: Option<_>| value.map(|value| limit(Some(value), None)).transpose();
        timeouts.max_stream_duration = inner(stream.max_stream_duration.take())
            .at("max_stream_duration.max_stream_duration")?;
        timeouts.grpc_header_max = inner(stream.grpc_timeout_header_max.take())
            .at("max_stream_duration.grpc_timeout_header_max")?;
        nothing_left(&stream).at("max_stream_duration")?;
    }
    Ok(timeouts)
}

/// Whether CONNECT ends here.
fn ends_connect(list: &mut [pb::route_action::UpgradeConfig]) -> Result<bool, Refusal> {
    let mut ends = false;
    for (index, upgrade) in list.iter_mut().enumerate() {
        let Some(config) = upgrade.connect_config.take() else {
            continue;
        };
        nothing_left(&config)
            .at("connect_config")
            .at_index("upgrade_configs", index)?;
        ends |= upgrade.upgrade_type.eq_ignore_ascii_case("connect");
    }
    Ok(ends)
}

fn upgrades(list: Vec<pb::route_action::UpgradeConfig>) -> Vec<(String, bool)> {
    let each = |upgrade: pb::route_action::UpgradeConfig| {
        let name = upgrade.upgrade_type.to_ascii_lowercase();
        (name, flag(upgrade.enabled, true))
    };
    list.into_iter().map(each).collect()
}

fn hash_policies(list: Vec<PbHashPolicy>) -> Result<Vec<HashPolicy>, Refusal> {
    let each = |(index, policy)| hash_policy(policy).at_index("hash_policy", index);
    list.into_iter().enumerate().map(each).collect()
}

fn hash_policy(policy: PbHashPolicy) -> Result<HashPolicy, Refusal> {
    let source = match policy.policy_specifier {
        Some(PolicySpecifier::Header(header)) => {
            if header.regex_rewrite.is_some() {
                return Err(Refusal::field("header.regex_rewrite", "is not supported"));
            }
            HashSource::Header(header.header_name.to_ascii_lowercase().into())
        }
        Some(PolicySpecifier::Cookie(cookie)) => HashSource::Cookie {
            name: cookie.name.into(),
            path: cookie.path.into(),
            lifetime: cookie.ttl.map(duration).transpose().at("cookie.ttl")?,
            attributes: cookie
                .attributes
                .iter()
                .map(|attribute| match attribute.value.as_str() {
                    "" => format!("; {}", attribute.name),
                    value => format!("; {}={value}", attribute.name),
                })
                .collect::<String>()
                .into(),
        },
        Some(PolicySpecifier::ConnectionProperties(properties)) if properties.source_ip => {
            HashSource::SourceIp
        }
        Some(PolicySpecifier::QueryParameter(parameter)) => {
            HashSource::QueryParameter(parameter.name.into())
        }
        _ => return Err(Refusal::new("this source of hash input is not supported")),
    };
    Ok(HashPolicy {
        source,
        terminal: policy.terminal,
    })
}
