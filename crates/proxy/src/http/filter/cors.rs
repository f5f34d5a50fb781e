//! Cross-origin resource sharing (`envoy.filters.http.cors`), by what routes and virtual hosts say.
//!
//! Where a level says nothing about a field, the level above it does.

use std::sync::Arc;

use ferromesh_http::{Method, ResponseHead};
use ferromesh_types::Str;

use super::{Memory, Step};
use crate::compiled::{CorsFilter, CorsPolicy, RouteFilter};
use crate::http::exchange::Exchange;
use crate::http::local_reply::LocalReply;

/// An origin that may use the answer.
pub(super) struct Allowed {
    origin: String,
    credentials: bool,
    expose_headers: Str,
}

/// The policies of an exchange, the most specific first; never empty.
struct Policies(Vec<Arc<CorsPolicy>>);

impl Policies {
    fn first<T>(&self, field: impl Fn(&CorsPolicy) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|policy| field(policy))
    }

    fn text(&self, field: impl Fn(&CorsPolicy) -> &Str) -> Str {
        let written = |policy: &CorsPolicy| Some(field(policy).clone()).filter(|t| !t.is_empty());
        self.first(written).unwrap_or_default()
    }

    fn allows(&self, origin: &str) -> bool {
        let policy = self.0.iter().find(|each| !each.allow_origins.is_empty());
        policy.is_some_and(|policy| {
            let mut origins = policy.allow_origins.iter();
            origins.any(|wanted| wanted.is_match("*") || wanted.is_match(origin))
        })
    }

    fn allowed(&self, origin: String) -> Allowed {
        Allowed {
            origin,
            credentials: self.first(|policy| policy.allow_credentials) == Some(true),
            expose_headers: self.text(|policy| &policy.expose_headers),
        }
    }
}

/// Answers preflights, and remembers origins that are allowed.
pub(super) fn on_request(filter: &CorsFilter, exchange: &mut Exchange<'_>) -> Step {
    let mut settings = exchange.filter_settings(&filter.name).peekable();
    if settings.peek().is_none() {
        return Step::Continue;
    }
    let mut policies = Vec::new();
    for each in settings {
        match each {
            RouteFilter::Disabled => break,
            RouteFilter::Cors(policy) => policies.push(Arc::clone(policy)),
            RouteFilter::Fault(_) | RouteFilter::Rbac(_) | RouteFilter::Name(_) => {}
        }
    }
    if policies.is_empty() {
        return Step::Continue;
    }
    share(filter, &Policies(policies), exchange)
}

fn share(filter: &CorsFilter, policies: &Policies, exchange: &mut Exchange<'_>) -> Step {
    let headers = &exchange.head.headers;
    let origin = headers.text("origin").filter(|origin| !origin.is_empty());
    let Some(origin) = origin.map(str::to_owned) else {
        return Step::Continue;
    };
    let first = &policies.0[0];
    let mut draw = |share: ferromesh_route::Fraction| share.holds(exchange.worker.random());
    let enabled = first.enabled.is_none_or(&mut draw);
    if !enabled && !first.shadow_enabled.is_some_and(&mut draw) {
        return Step::Continue;
    }
    let valid = policies.allows(&origin);
    if valid {
        filter.stats.origin_valid().inc();
    } else {
        filter.stats.origin_invalid().inc();
    }
    let preflight = exchange.head.method == Method::OPTIONS
        && headers
            .find("access-control-request-method")
            .is_some_and(|method| !method.is_empty());
    if !enabled || (!valid && !preflight) {
        return Step::Continue;
    }
    if !valid {
        let forward = policies.first(|policy| policy.forward_not_matching);
        if forward.unwrap_or(true) {
            return Step::Continue;
        }
        // As Envoy does: the answer says what is allowed in general, but names no origin.
        return Step::Reply(Box::new(preflight_answer(policies, false)));
    }
    let private = headers.find("access-control-request-private-network") == Some(b"true");
    // The fields that every answer to that origin carries are put in on its way back.
    exchange.filters.cors = Some(Box::new(policies.allowed(origin)));
    if !preflight {
        return Step::Continue;
    }
    Step::Reply(Box::new(preflight_answer(policies, private)))
}

fn preflight_answer(policies: &Policies, private: bool) -> LocalReply {
    let mut reply = LocalReply::new(200, "", "cors_response");
    let mut put = |name, value: &str| {
        if !value.is_empty() {
            reply.headers.push((name, value.to_owned()));
        }
    };
    if policies.first(|policy| policy.allow_credentials) == Some(true) {
        put("access-control-allow-credentials", "true");
    }
    put(
        "access-control-allow-methods",
        &policies.text(|policy| &policy.allow_methods),
    );
    put(
        "access-control-allow-headers",
        &policies.text(|policy| &policy.allow_headers),
    );
    put(
        "access-control-max-age",
        &policies.text(|policy| &policy.max_age),
    );
    if private && policies.first(|policy| policy.allow_private_network) == Some(true) {
        put("access-control-allow-private-network", "true");
    }
    reply
}

/// Tells the browser that the origin may use the answer.
pub(super) fn on_response(memory: &Memory, head: &mut ResponseHead) {
    let Some(allowed) = &memory.cors else {
        return;
    };
    let headers = &mut head.headers;
    headers.set("access-control-allow-origin", &allowed.origin);
    if allowed.credentials {
        headers.set("access-control-allow-credentials", "true");
    }
    if !allowed.expose_headers.is_empty() {
        headers.set(
            "access-control-expose-headers",
            allowed.expose_headers.as_str(),
        );
    }
}
