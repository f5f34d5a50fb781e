//! Copies of requests, and hedging: what routes and virtual hosts say about them.

use std::mem::take;

use ferromesh_proto::envoy::config::route::v3 as pb;
use ferromesh_proto::envoy::config::route::v3::route_action::RequestMirrorPolicy;
use ferromesh_proto::envoy::r#type::v3::FractionalPercent;
use ferromesh_route::{Fraction, MirrorCluster, MirrorPolicy};

use super::matchers;
use super::refusal::{At, Refusal, nothing_left};

/// Compiles a list of copies.
pub(super) fn compile(list: Vec<RequestMirrorPolicy>) -> Result<Vec<MirrorPolicy>, Refusal> {
    let each = |(index, policy)| one(policy).at_index("request_mirror_policies", index);
    list.into_iter().enumerate().map(each).collect()
}

fn one(mut policy: RequestMirrorPolicy) -> Result<MirrorPolicy, Refusal> {
    let (name, header) = (take(&mut policy.cluster), take(&mut policy.cluster_header));
    let cluster = match (name.is_empty(), header.is_empty()) {
        (false, true) => MirrorCluster::Named(name.into()),
        (true, false) => MirrorCluster::FromHeader(header.to_ascii_lowercase().into()),
        _ => {
            let reason = "either a cluster or a cluster header is needed";
            return Err(Refusal::field("cluster", reason));
        }
    };
    let share = policy.runtime_fraction.take();
    let share = share.map(matchers::runtime_fraction).transpose();
    let compiled = MirrorPolicy {
        cluster,
        share: share.at("runtime_fraction")?.unwrap_or(Fraction::ALL),
        shadow_suffix: !take(&mut policy.disable_shadow_host_suffix_append),
    };
    // No spans are made.
    policy.trace_sampled = None;
    nothing_left(&policy)?;
    Ok(compiled)
}

/// Whether a policy hedges on the timeout of one try. Requests that are sent several times at once
/// from the beginning are not supported; Envoy accepts and ignores those fields.
pub(super) fn hedges(mut policy: pb::HedgePolicy) -> Result<bool, Refusal> {
    let hedges = take(&mut policy.hedge_on_per_try_timeout);
    if policy
        .initial_requests
        .as_ref()
        .is_some_and(|n| n.value <= 1)
    {
        policy.initial_requests = None;
    }
    let never = FractionalPercent::default();
    if policy.additional_request_chance.as_ref() == Some(&never) {
        policy.additional_request_chance = None;
    }
    nothing_left(&policy)?;
    Ok(hedges)
}
