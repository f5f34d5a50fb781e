//! Compiled access control, of requests and of connections.

use std::time::Duration;

use ferromesh_authz::RuleSet;
use ferromesh_types::Str;

use crate::stats::{RbacPolicyStats, RbacShadowStats, RbacStats};

/// Rules, those that are only tried out, and what is noted about them.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    /// Who may do what; `None` lets all pass.
    pub enforced: Option<RuleSet>,
    /// What would be decided: counted and noted, nothing more.
    pub shadow: Option<RuleSet>,
    /// Begins the names under which the shadow rules' decision is noted.
    pub shadow_prefix: Str,
}

/// The filter of requests.
#[derive(Clone, Debug)]
pub struct RbacFilter {
    /// Its name.
    pub name: Str,
    /// For requests whose route says nothing.
    pub rules: AccessRules,
    /// Its numbers.
    pub stats: RbacStats,
    /// Those of its shadow rules.
    pub shadow_stats: RbacShadowStats,
    /// Numbers of each policy, where they are asked for.
    pub policy_stats: Vec<RbacPolicyStats>,
    /// Those of each policy of the shadow rules.
    pub shadow_policy_stats: Vec<RbacPolicyStats>,
}

/// The filter of connections.
#[derive(Clone, Debug)]
pub struct ConnectionRbac {
    /// Its rules.
    pub rules: AccessRules,
    /// How long a connection that is refused is kept waiting.
    pub delay: Duration,
    /// Its numbers.
    pub stats: RbacStats,
    /// Those of its shadow rules.
    pub shadow_stats: RbacShadowStats,
}
