//! Delays requests, or answers them with an error (`envoy.filters.http.fault`).

use std::sync::Arc;
use std::time::Duration;

use ferromesh_route::Fraction;

use super::Step;
use crate::access_log::ResponseFlags;
use crate::compiled::{Abort, AbortKind, Delay, Fault, FaultFilter, RouteFilter};
use crate::http::exchange::Exchange;
use crate::http::local_reply::LocalReply;

/// Counts a request as affected for as long as it lives.
pub(super) struct Active(Arc<FaultFilter>);

impl Active {
    fn new(filter: &Arc<FaultFilter>) -> Self {
        filter.stats.active_faults().inc();
        Self(Arc::clone(filter))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.stats.active_faults().dec();
    }
}

/// Decides what happens to a request.
pub(super) fn on_request(filter: &Arc<FaultFilter>, exchange: &mut Exchange<'_>) -> Step {
    let own = exchange.filter_settings(&filter.name).next();
    let fault = match own {
        Some(RouteFilter::Fault(fault)) => Some(fault),
        Some(RouteFilter::Disabled) => None,
        _ => filter.fault.as_ref(),
    };
    let Some(fault) = fault.cloned() else {
        return Step::Continue;
    };
    if !concerns(&fault, exchange) {
        return Step::Continue;
    }
    let delay = fault.delay.and_then(|delay| delay_of(delay, exchange));
    let abort = fault.abort.and_then(|abort| abort_of(abort, exchange));
    if delay.is_none() && abort.is_none() {
        return Step::Continue;
    }
    let most = fault.max_active.map(u64::from);
    if most.is_some_and(|most| filter.stats.active_faults().value() >= most) {
        filter.stats.faults_overflow().inc();
        return Step::Continue;
    }
    exchange.filters.fault = Some(Active::new(filter));
    let reply = abort.map(answer);
    let Some(delay) = delay else {
        return reply.map_or(Step::Continue, |reply| {
            filter.stats.aborts_injected().inc();
            Step::Reply(Box::new(reply))
        });
    };
    filter.stats.delays_injected().inc();
    exchange.outcome.flags.insert(ResponseFlags::DELAY_INJECTED);
    let filter = Arc::clone(filter);
    Step::Suspend(Box::pin(async move {
        tokio::time::sleep(delay).await;
        if reply.is_some() {
            filter.stats.aborts_injected().inc();
        }
        reply
    }))
}

fn concerns(fault: &Fault, exchange: &Exchange<'_>) -> bool {
    let view = exchange.view();
    let node = exchange
        .head
        .headers
        .text("x-envoy-downstream-service-node");
    let nodes = &fault.downstream_nodes;
    (nodes.is_empty() || node.is_some_and(|node| nodes.iter().any(|one| *one == *node)))
        && fault.headers.iter().all(|header| header.is_match(&view))
}

fn delay_of(delay: Delay, exchange: &Exchange<'_>) -> Option<Duration> {
    let Some(fixed) = delay.fixed else {
        let millis = number(exchange, "x-envoy-fault-delay-request")?;
        let share = asked(
            exchange,
            "x-envoy-fault-delay-request-percentage",
            delay.share,
        );
        return holds(share, exchange).then(|| Duration::from_millis(millis));
    };
    (holds(delay.share, exchange) && !fixed.is_zero()).then_some(fixed)
}

fn abort_of(abort: Abort, exchange: &Exchange<'_>) -> Option<AbortKind> {
    if abort.kind != AbortKind::FromHeader {
        return holds(abort.share, exchange).then_some(abort.kind);
    }
    let http = number(exchange, "x-envoy-fault-abort-request");
    let http = http.and_then(|status| u16::try_from(status).ok());
    let http = http.filter(|status| (200..600).contains(status));
    let grpc = number(exchange, "x-envoy-fault-abort-grpc-request");
    let grpc = grpc.and_then(|status| u32::try_from(status).ok());
    let kind = http.map(AbortKind::Http).or(grpc.map(AbortKind::Grpc))?;
    let share = asked(
        exchange,
        "x-envoy-fault-abort-request-percentage",
        abort.share,
    );
    holds(share, exchange).then_some(kind)
}

fn holds(share: Fraction, exchange: &Exchange<'_>) -> bool {
    share.numerator > 0 && share.holds(exchange.worker.random())
}

/// A header may ask for a smaller share than the config allows, in the config's unit.
fn asked(exchange: &Exchange<'_>, header: &str, allowed: Fraction) -> Fraction {
    let numerator = number(exchange, header).and_then(|number| u32::try_from(number).ok());
    Fraction {
        numerator: numerator.map_or(allowed.numerator, |number| number.min(allowed.numerator)),
        ..allowed
    }
}

fn number(exchange: &Exchange<'_>, header: &str) -> Option<u64> {
    exchange.head.headers.text(header)?.trim().parse().ok()
}

fn answer(kind: AbortKind) -> LocalReply {
    let (status, grpc_status) = match kind {
        AbortKind::Http(status) => (status, None),
        // Only a client that looks for it sees the gRPC status.
        AbortKind::Grpc(status) => (200, Some(status)),
        AbortKind::FromHeader => (503, None),
    };
    let mut reply = LocalReply::new(status, "fault filter abort", "fault_filter_abort");
    reply.flags = ResponseFlags::FAULT_INJECTED;
    reply.grpc_status = grpc_status;
    reply
}
