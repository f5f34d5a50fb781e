//! Network filters that let connections pass or not: access control and a limit.

use std::mem::take;

use ferromesh_proto::envoy::extensions::filters::network::connection_limit::v3::ConnectionLimit as PbLimit;
use ferromesh_proto::envoy::extensions::filters::network::rbac::v3 as pb;

use super::context::Context;
use super::fields::{duration, flag};
use super::rbac::{Subject, rules, stat_prefix};
use super::refusal::{At, Refusal, nothing_left};
use crate::compiled::{ConnectionLimit, ConnectionRbac};
use crate::stats::{ConnectionLimitStats, RbacShadowStats, RbacStats};

/// Compiles access control of connections.
pub(super) fn rbac(mut value: pb::Rbac, context: &Context<'_>) -> Result<ConnectionRbac, Refusal> {
    let shadow_prefix = take(&mut value.shadow_rules_stat_prefix);
    let prefix = take(&mut value.stat_prefix);
    let stats = &context.compiler.stats;
    let compiled = ConnectionRbac {
        rules: rules(
            (value.rules.take(), value.shadow_rules.take()),
            shadow_prefix.clone(),
            Subject::Connection,
        )?,
        delay: value
            .delay_deny
            .take()
            .map(duration)
            .transpose()
            .at("delay_deny")?
            .unwrap_or_default(),
        stats: RbacStats::new(stats, &stat_prefix(&prefix, "")),
        shadow_stats: RbacShadowStats::new(stats, &stat_prefix(&prefix, &shadow_prefix)),
    };
    // What a connection is does not change: asked once or always, the answer is the same.
    value.enforcement_type = 0;
    nothing_left(&value)?;
    Ok(compiled)
}

/// Compiles a limit of connections; `None` where it is turned off.
pub(super) fn connection_limit(
    mut value: PbLimit,
    context: &Context<'_>,
) -> Result<Option<ConnectionLimit>, Refusal> {
    let prefix = format!("connection_limit.{}.", take(&mut value.stat_prefix));
    let most = value.max_connections.take().map(|most| most.value);
    let most = most.filter(|most| *most > 0);
    let reason = "a number above zero is needed";
    let most = most.ok_or_else(|| Refusal::field("max_connections", reason))?;
    let delay = value.delay.take().map(duration).transpose().at("delay")?;
    // The runtime key has no effect: there is no runtime to override the default.
    let enabled = value.runtime_enabled.take();
    let enabled = enabled.is_none_or(|enabled| flag(enabled.default_value, true));
    nothing_left(&value)?;
    let stats = ConnectionLimitStats::new(&context.compiler.stats, &prefix);
    let limit = ConnectionLimit::new(most, delay.unwrap_or_default(), stats);
    Ok(enabled.then_some(limit))
}
