//! HTTP filters, one file each, and the order in which they see an exchange.
//!
//! A filter sees the request when its route is known and before the route acts, and the head of
//! every answer, the proxy's own included, in the opposite order. Hooks are synchronous; only a
//! filter that really waits makes a future. A new filter is a file here, a variant of
//! `compiled::HttpFilter`, an arm in the two functions below and a line in `xds::http_filters`.

pub(super) mod alpn;
mod by_name;
mod cors;
mod fault;
pub(super) mod grpc_stats;
mod grpc_web;
mod peer_metadata;
mod rbac;
mod route_settings;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use ferromesh_http::ResponseHead;

use super::downstream::Downstream;
use super::exchange::Exchange;
use super::local_reply::LocalReply;
use super::upload::RequestBody;
use crate::compiled::HttpFilter;

/// What a filter wants done with a request.
pub(super) enum Step {
    /// On to the next filter.
    Continue,
    /// This answer instead of the route's.
    Reply(Box<LocalReply>),
    /// Wait, then go on, or answer.
    Suspend(Suspension),
}

/// What a filter waits for; then `None` goes on.
pub(super) type Suspension = Pin<Box<dyn Future<Output = Option<LocalReply>>>>;

/// How the filters left a request.
pub(super) enum Verdict {
    /// It goes where its route says.
    Pass,
    /// It is answered with this.
    Reply(Box<LocalReply>),
    /// The client is gone.
    Gone,
}

/// What filters remember of an exchange between request and answer.
#[derive(Default)]
pub(super) struct Memory {
    cors: Option<Box<cors::Allowed>>,
    fault: Option<fault::Active>,
    /// Set for gRPC-Web clients: whether they want text.
    grpc_web: Option<bool>,
}

/// Lets the filters look at a request.
pub(super) async fn on_request(
    exchange: &mut Exchange<'_>,
    body: &mut RequestBody,
    downstream: &mut Downstream<'_>,
) -> Verdict {
    let manager = exchange.manager;
    for filter in &manager.filters {
        let step = match filter {
            HttpFilter::PeerMetadata(settings) => {
                peer_metadata::on_request(*settings, &mut exchange.head);
                Step::Continue
            }
            HttpFilter::Fault(filter) => fault::on_request(filter, exchange),
            HttpFilter::Cors(filter) => cors::on_request(filter, exchange),
            HttpFilter::Rbac(filter) => rbac::on_request(filter, exchange),
            HttpFilter::Name(filter) => by_name::on_request(filter, exchange),
            HttpFilter::GrpcWeb => {
                grpc_web::on_request(exchange, body, downstream);
                Step::Continue
            }
            HttpFilter::GrpcStats(_) => {
                grpc_stats::on_request(exchange, body);
                Step::Continue
            }
            HttpFilter::AlpnOverride(_) => Step::Continue,
        };
        match step {
            Step::Continue => {}
            Step::Reply(reply) => return Verdict::Reply(reply),
            Step::Suspend(waiting) => match wait(waiting, body, downstream).await {
                Some(None) => body.reached_router(Instant::now()),
                Some(Some(reply)) => return Verdict::Reply(Box::new(reply)),
                None => return Verdict::Gone,
            },
        }
    }
    Verdict::Pass
}

/// Waits for a filter; `None` when the client leaves before.
async fn wait(
    mut waiting: Suspension,
    body: &RequestBody,
    downstream: &mut Downstream<'_>,
) -> Option<Option<LocalReply>> {
    poll_fn(|cx| {
        if let Poll::Ready(result) = waiting.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        // While there is a body to come, its reader finds out.
        if body.is_complete() && downstream.poll_gone(cx).is_ready() {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

/// Lets the filters look at the head of an answer.
pub(super) fn on_response(exchange: &Exchange<'_>, head: &mut ResponseHead) {
    for filter in exchange.manager.filters.iter().rev() {
        match filter {
            HttpFilter::PeerMetadata(settings) => peer_metadata::on_response(*settings, head),
            HttpFilter::Cors(_) => cors::on_response(&exchange.filters, head),
            HttpFilter::GrpcWeb => grpc_web::on_response(&exchange.filters, head),
            HttpFilter::Fault(_)
            | HttpFilter::AlpnOverride(_)
            | HttpFilter::GrpcStats(_)
            | HttpFilter::Rbac(_)
            | HttpFilter::Name(_) => {}
        }
    }
}
