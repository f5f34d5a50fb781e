//! Role-based access control of connections (`envoy.filters.network.rbac`).
//!
//! Everything that its rules may ask is known when the handshake is over, so that they decide
//! before the cluster hears of the connection: Envoy, which waits for the first byte, comes to the
//! same result.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use ferromesh_authz::{Action, Facts, RuleSet, Verdict};
use ferromesh_route::RequestView;
use ferromesh_types::Str;
use serde_json::Value;

use crate::compiled::ConnectionRbac;
use crate::listener::Connection;
use crate::metadata::Metadata;

/// Where decisions are noted.
const NAMESPACE: &str = "envoy.filters.network.rbac";

/// A connection as rules see it.
pub(crate) struct ConnectionFacts<'a>(pub(crate) &'a Connection);

impl RequestView for ConnectionFacts<'_> {
    fn method(&self) -> &'static str {
        ""
    }

    fn scheme(&self) -> &'static str {
        ""
    }

    fn authority(&self) -> &'static str {
        ""
    }

    fn path(&self) -> &'static str {
        ""
    }

    fn header(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl Facts for ConnectionFacts<'_> {
    fn destination(&self) -> SocketAddr {
        self.0.destination
    }

    fn remote(&self) -> IpAddr {
        self.0.peer.ip()
    }

    fn connection_remote(&self) -> IpAddr {
        self.0.peer.ip()
    }

    fn direct_remote(&self) -> IpAddr {
        self.0.socket.peer.ip()
    }

    fn server_name(&self) -> &str {
        &self.0.server_name
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }

    fn peer_name(&self, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        let Some(peer) = self.0.peer_certificate() else {
            return matches("");
        };
        peer.uris().any(&mut *matches)
            || peer.dns_names().any(&mut *matches)
            || matches(peer.subject())
    }

    fn metadata(&self, namespace: &str, path: &[Str]) -> Option<Cow<'_, Value>> {
        self.0.metadata.find(namespace, path).map(Cow::Borrowed)
    }
}

/// Decides about a connection; gives the reason why it is refused.
pub(super) fn decide(filter: &ConnectionRbac, connection: &mut Connection) -> Result<(), String> {
    if let Some(rules) = &filter.rules.shadow {
        let verdict = rules.decide(&ConnectionFacts(connection));
        if verdict.allowed {
            filter.shadow_stats.shadow_allowed().inc();
        } else {
            filter.shadow_stats.shadow_denied().inc();
        }
        let prefix = &filter.rules.shadow_prefix;
        note_shadow(
            &mut connection.metadata,
            (NAMESPACE, prefix),
            rules,
            verdict,
        );
    }
    let Some(rules) = &filter.rules.enforced else {
        return Ok(());
    };
    let verdict = rules.decide(&ConnectionFacts(connection));
    if rules.action() == Action::Log {
        note_hint(&mut connection.metadata, verdict);
    }
    if verdict.allowed {
        filter.stats.allowed().inc();
        return Ok(());
    }
    filter.stats.denied().inc();
    Err(denied_details(rules, verdict))
}

/// Why something was refused, as access logs have it.
pub(crate) fn denied_details(rules: &RuleSet, verdict: Verdict) -> String {
    let policy = rules.policy_name(verdict).replace(' ', "_");
    format!("rbac_access_denied_matched_policy[{policy}]")
}

/// Notes what rules that are only tried out would have decided.
pub(crate) fn note_shadow(
    metadata: &mut Metadata,
    (namespace, prefix): (&str, &str),
    rules: &RuleSet,
    verdict: Verdict,
) {
    let result = if verdict.allowed { "allowed" } else { "denied" };
    let mut note = |key: &str, value: &str| {
        metadata.note(namespace, format!("{prefix}{key}"), value.into());
    };
    note("shadow_engine_result", result);
    if verdict.policy.is_some() {
        note("shadow_effective_policy_id", rules.policy_name(verdict));
    }
}

/// Notes for access logs whether one of the rules whose matches are to be logged matched.
pub(crate) fn note_hint(metadata: &mut Metadata, verdict: Verdict) {
    let hint = verdict.policy.is_some();
    metadata.note("envoy.common", "access_log_hint".to_owned(), hint.into());
}
