//! Role-based access control of requests (`envoy.filters.http.rbac`).

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ferromesh_authz::{Action, Facts, RuleSet, Verdict};
use ferromesh_route::RequestView;
use ferromesh_types::Str;
use serde_json::Value;

use super::Step;
use crate::compiled::{AccessRules, RbacFilter, RouteFilter};
use crate::http::exchange::Exchange;
use crate::http::local_reply::LocalReply;
use crate::http::view::View;
use crate::metadata::Metadata;
use crate::network_filter::{ConnectionFacts, denied_details, note_hint, note_shadow};

/// Where decisions are noted.
const NAMESPACE: &str = "envoy.filters.http.rbac";

/// A request as rules see it.
struct RequestFacts<'a> {
    view: View<'a>,
    connection: ConnectionFacts<'a>,
    client: IpAddr,
    metadata: &'a Metadata,
}

impl RequestView for RequestFacts<'_> {
    fn method(&self) -> &str {
        self.view.method()
    }

    fn scheme(&self) -> &str {
        self.view.scheme()
    }

    fn authority(&self) -> &str {
        self.view.authority()
    }

    fn path(&self) -> &str {
        self.view.path()
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.view.header(name)
    }

    fn any_value(&self, name: &str, matches: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        self.view.any_value(name, matches)
    }
}

impl Facts for RequestFacts<'_> {
    fn destination(&self) -> SocketAddr {
        self.connection.destination()
    }

    fn remote(&self) -> IpAddr {
        self.client
    }

    fn connection_remote(&self) -> IpAddr {
        self.connection.connection_remote()
    }

    fn direct_remote(&self) -> IpAddr {
        self.connection.direct_remote()
    }

    fn server_name(&self) -> &str {
        self.connection.server_name()
    }

    fn is_tls(&self) -> bool {
        self.connection.is_tls()
    }

    fn peer_name(&self, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        self.connection.peer_name(matches)
    }

    fn metadata(&self, namespace: &str, path: &[Str]) -> Option<Cow<'_, Value>> {
        self.metadata.find(namespace, path).map(Cow::Borrowed)
    }
}

/// Decides about a request.
pub(super) fn on_request(filter: &RbacFilter, exchange: &mut Exchange<'_>) -> Step {
    let of_route = match exchange.filter_settings(&filter.name).next() {
        Some(RouteFilter::Disabled) => return Step::Continue,
        Some(RouteFilter::Rbac(rules)) => Some(Arc::clone(rules)),
        _ => None,
    };
    let rules: &AccessRules = of_route.as_deref().unwrap_or(&filter.rules);
    if let Some(shadow) = &rules.shadow {
        let verdict = decide(shadow, exchange);
        count_shadow(filter, verdict, of_route.is_some());
        let place = (NAMESPACE, rules.shadow_prefix.as_str());
        note_shadow(&mut exchange.metadata, place, shadow, verdict);
    }
    let Some(enforced) = &rules.enforced else {
        return Step::Continue;
    };
    let verdict = decide(enforced, exchange);
    if enforced.action() == Action::Log {
        note_hint(&mut exchange.metadata, verdict);
    }
    count(filter, verdict, of_route.is_some());
    if verdict.allowed {
        return Step::Continue;
    }
    let mut reply = LocalReply::new(403, "RBAC: access denied", "");
    reply.details = denied_details(enforced, verdict).into();
    Step::Reply(Box::new(reply))
}

fn decide(rules: &RuleSet, exchange: &Exchange<'_>) -> Verdict {
    rules.decide(&RequestFacts {
        view: View {
            head: &exchange.head,
            connection: exchange.connection,
        },
        connection: ConnectionFacts(exchange.connection),
        client: exchange.client.ip(),
        metadata: &exchange.metadata,
    })
}

/// Policies of routes have no numbers of their own.
fn count(filter: &RbacFilter, verdict: Verdict, of_route: bool) {
    let policy = verdict.policy.filter(|_| !of_route);
    let policy = policy.and_then(|number| filter.policy_stats.get(number));
    if verdict.allowed {
        filter.stats.allowed().inc();
        policy.inspect(|stats| stats.allowed().inc());
    } else {
        filter.stats.denied().inc();
        policy.inspect(|stats| stats.denied().inc());
    }
}

fn count_shadow(filter: &RbacFilter, verdict: Verdict, of_route: bool) {
    let policy = verdict.policy.filter(|_| !of_route);
    let policy = policy.and_then(|number| filter.shadow_policy_stats.get(number));
    if verdict.allowed {
        filter.shadow_stats.shadow_allowed().inc();
        policy.inspect(|stats| stats.shadow_allowed().inc());
    } else {
        filter.shadow_stats.shadow_denied().inc();
        policy.inspect(|stats| stats.shadow_denied().inc());
    }
}
