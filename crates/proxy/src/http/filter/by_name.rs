//! Looks up the name of a request ahead of the router, and says so when it has no address
//! (`envoy.filters.http.dynamic_forward_proxy`). Without this filter the router does, and its
//! answer only says that there is no endpoint.

use std::sync::Arc;

use ferromesh_route::Action;

use super::Step;
use crate::access_log::ResponseFlags;
use crate::cluster::NoAddress;
use crate::compiled::{Cluster, Discovery, NameFilter, NameRewrite, RouteFilter};
use crate::http::exchange::Exchange;
use crate::http::local_reply::LocalReply;

/// Lets a request pass whose name has an address.
pub(super) fn on_request(filter: &Arc<NameFilter>, exchange: &mut Exchange<'_>) -> Step {
    let Some(cluster) = cluster(exchange) else {
        return Step::Continue;
    };
    if let Some(host) = rewritten(filter, exchange) {
        exchange.head.set_authority(&host);
    }
    let port = cluster.default_port();
    let authority = exchange.head.authority().to_owned();
    let names = Arc::clone(&filter.names);
    Step::Suspend(Box::pin(async move {
        let found = names.find(&authority, port).await;
        found.err().map(|reason| answer(&reason))
    }))
}

/// The cluster that the request goes to, where that one goes by names.
fn cluster(exchange: &Exchange<'_>) -> Option<Arc<Cluster>> {
    let route = exchange.route.as_ref()?;
    let Action::Forward(forward) = &route.action else {
        return None;
    };
    let view = exchange.view();
    let chosen = forward.cluster.choose(&view, exchange.draw);
    let cluster = exchange.config.cluster(&chosen.name)?;
    matches!(cluster.discovery, Discovery::ByName(_)).then(|| Arc::clone(cluster))
}

/// The host that the route asks for instead of the request's.
fn rewritten(filter: &NameFilter, exchange: &Exchange<'_>) -> Option<String> {
    let RouteFilter::Name(rewrite) = exchange.filter_settings(&filter.name).next()? else {
        return None;
    };
    match rewrite {
        NameRewrite::Keep => None,
        NameRewrite::Literal(host) => Some(host.to_string()),
        NameRewrite::FromHeader(name) => {
            let value = exchange.head.headers.text(name)?;
            Some(value.to_owned())
        }
    }
}

fn answer(reason: &NoAddress) -> LocalReply {
    match reason {
        NoAddress::Full => LocalReply::new(503, "DNS cache overflow", "dns_cache_overflow"),
        NoAddress::TooManyWaiting => LocalReply::new(
            503,
            "Dynamic forward proxy pending request overflow",
            "dynamic_forward_proxy_pending_request_overflow",
        ),
        NoAddress::NotFound(why) => {
            let mut reply = LocalReply::new(503, "DNS resolution failure", "")
                .flagged(ResponseFlags::DNS_RESOLUTION_FAILED);
            reply.details = format!("dns_resolution_failure{{{why}}}").into();
            reply
        }
    }
}
