//! Policies, and what they decide together.

use ferromesh_types::Str;

use crate::condition::Condition;
use crate::facts::Facts;

/// What it means that a policy matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Who matches may pass, nobody else.
    Allow,
    /// Who matches may not pass, everybody else may.
    Deny,
    /// Everybody passes; who matches is to be logged.
    Log,
}

/// Who may do what.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name, which says in logs who decided.
    pub name: Str,
    /// What is done.
    pub permissions: Condition,
    /// By whom.
    pub principals: Condition,
}

/// Policies with one action.
#[derive(Clone, Debug)]
pub struct RuleSet {
    action: Action,
    /// By name: the first that matches is the one that decided.
    policies: Vec<Policy>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may pass.
    pub allowed: bool,
    /// Number of the policy that matched.
    pub policy: Option<usize>,
}

impl RuleSet {
    /// Rules of these policies.
    pub fn new(action: Action, mut policies: Vec<Policy>) -> Self {
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        Self { action, policies }
    }

    /// What it means that a policy matches.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The policies, in the order in which they are asked.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Decides about `facts`.
    pub fn decide(&self, facts: &impl Facts) -> Verdict {
        let mut policies = self.policies.iter();
        let policy = policies.position(|policy| {
            // Paths and ports are cheaper to compare than names of certificates.
            policy.permissions.is_met(facts) && policy.principals.is_met(facts)
        });
        let allowed = match self.action {
            Action::Allow => policy.is_some(),
            Action::Deny => policy.is_none(),
            Action::Log => true,
        };
        Verdict { allowed, policy }
    }

    /// The name of the policy that a verdict of these rules names; `none` where there is none.
    pub fn policy_name(&self, verdict: Verdict) -> &str {
        let policy = verdict.policy.and_then(|number| self.policies.get(number));
        policy.map_or("none", |policy| &policy.name)
    }
}
