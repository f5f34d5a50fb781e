//! The settings of access control of requests.

use std::mem::take;

use ferromesh_authz::RuleSet;
use ferromesh_proto::envoy::extensions::filters::http::rbac::v3 as pb;
use ferromesh_types::Str;

use super::Place;
use crate::compiled::{AccessRules, RbacFilter};
use crate::stats::{RbacPolicyStats, RbacShadowStats, RbacStats};
use crate::xds::rbac::{Subject, rules, stat_prefix};
use crate::xds::refusal::{At, Refusal, nothing_left};

/// Compiles the filter `name`.
pub(super) fn compile(
    mut value: pb::Rbac,
    name: &str,
    place: &Place<'_, '_>,
) -> Result<RbacFilter, Refusal> {
    let per_policy = take(&mut value.track_per_rule_stats);
    let rules_prefix = take(&mut value.rules_stat_prefix);
    let shadow_prefix = value.shadow_rules_stat_prefix.clone();
    let rules = access_rules(value)?;
    let stats = &place.context.compiler.stats;
    let prefix = |own: &str| stat_prefix(place.prefix, own);
    let of_policies = |rules: &Option<RuleSet>, own: &str| -> Vec<RbacPolicyStats> {
        let policies = rules.iter().filter(|_| per_policy);
        let policies = policies.flat_map(RuleSet::policies);
        let prefix = prefix(own);
        policies
            .map(|policy| RbacPolicyStats::new(stats, &format!("{prefix}policy.{}.", policy.name)))
            .collect()
    };
    Ok(RbacFilter {
        name: Str::from(name),
        stats: RbacStats::new(stats, &prefix(&rules_prefix)),
        shadow_stats: RbacShadowStats::new(stats, &prefix(&shadow_prefix)),
        policy_stats: of_policies(&rules.enforced, &rules_prefix),
        shadow_policy_stats: of_policies(&rules.shadow, &shadow_prefix),
        rules,
    })
}

/// Compiles what a route says; nothing lets all pass.
pub(super) fn of_route(mut value: pb::RbacPerRoute) -> Result<AccessRules, Refusal> {
    let rbac = value.rbac.take();
    nothing_left(&value)?;
    let Some(mut rbac) = rbac else {
        return Ok(AccessRules::default());
    };
    // Requests of all routes are counted by the filter.
    rbac.track_per_rule_stats = false;
    rbac.rules_stat_prefix = String::new();
    access_rules(rbac).at("rbac")
}

fn access_rules(mut value: pb::Rbac) -> Result<AccessRules, Refusal> {
    let compiled = rules(
        (value.rules.take(), value.shadow_rules.take()),
        take(&mut value.shadow_rules_stat_prefix),
        Subject::Request,
    )?;
    nothing_left(&value)?;
    Ok(compiled)
}
