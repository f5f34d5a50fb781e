//! Circuit breakers: what is turned away at each limit, and whether the proxy counts it.

use super::figures::{Verdict, arrange, failed, route, rule, to};
use super::load::{self, Reply, Target};
use crate::scenarios::Sandbox;

/// Requests that are made at once.
const AT_ONCE: usize = 10;

/// An answer that takes long enough for all others to have come meanwhile.
const SLOW: &str = "/?delay=700";

/// A limit of requests in flight: what is over it is turned away at once, and counted.
pub fn requests(sandbox: &mut Sandbox) -> anyhow::Result<Verdict> {
    let limited = limited("well", "http: {http2MaxRequests: 3}");
    let target = arrange(sandbox, &(to("well") + &limited))?;
    let slow = slow(&target);
    let (replies, counted) = count(sandbox, "well", "upstream_rq_active_overflow", || {
        load::burst(&slow, AT_ONCE, AT_ONCE)
    })?;
    let (passed, overflowed) = (AT_ONCE - failed(&replies), turned_away(&replies));
    let later = 3 - failed(&load::burst(&target, 3, 3)?);
    Ok(Verdict {
        text: format!(
            "{passed} passed, {overflowed} turned away, {counted} counted; later {later} of 3 passed"
        ),
        holds: passed == 3 && overflowed == 7 && counted == 7 && later == 3,
    })
}

/// A limit of connections and of requests that wait for one. A proxy opens one connection per
/// worker at least, so that the figure is a range.
pub fn pending(sandbox: &mut Sandbox) -> anyhow::Result<Verdict> {
    let limited = limited(
        "well",
        "tcp: {maxConnections: 1}\n      http: {http1MaxPendingRequests: 1}",
    );
    let target = arrange(sandbox, &(to("well") + &limited))?;
    let slow = slow(&target);
    let (replies, counted) = count(sandbox, "well", "upstream_rq_pending_overflow", || {
        load::burst(&slow, AT_ONCE, AT_ONCE)
    })?;
    let (passed, overflowed) = (AT_ONCE - failed(&replies), turned_away(&replies));
    Ok(Verdict {
        text: format!("{passed} passed, {overflowed} turned away, {counted} counted"),
        holds: (1..AT_ONCE).contains(&passed)
            && passed + overflowed == AT_ONCE
            && counted == overflowed as u64,
    })
}

/// A limit of tries that are under way beside first ones.
pub fn retries(sandbox: &mut Sandbox) -> anyhow::Result<Verdict> {
    let limited = limited("some-ill", "http: {maxRetries: 1}");
    let retrying = route(
        "    - destination: {host: some-ill}\n    retries: {attempts: 5, retryOn: 5xx, backoff: 100ms}\n",
    );
    let target = arrange(sandbox, &(retrying + &limited))?;
    let (replies, counted) = count(sandbox, "some-ill", "upstream_rq_retry_overflow", || {
        load::burst(&target, 10 * AT_ONCE, AT_ONCE)
    })?;
    let wrong = failed(&replies);
    Ok(Verdict {
        text: format!("{counted} retries turned away, {wrong} requests answered with the failure"),
        holds: counted > 0 && wrong > 0 && wrong as u64 <= counted,
    })
}

fn limited(host: &str, pool: &str) -> String {
    rule(
        host,
        &format!("  trafficPolicy:\n    connectionPool:\n      {pool}\n"),
    )
}

fn slow(target: &Target) -> Target {
    Target {
        path: SLOW.to_owned(),
        ..target.clone()
    }
}

/// Requests that the proxy answered itself because of a limit.
fn turned_away(replies: &[Reply]) -> usize {
    let by_breaker = |reply: &&Reply| reply.status == 503 && reply.overloaded;
    replies.iter().filter(by_breaker).count()
}

/// Makes load, and returns by how much the gateway's counter for `service` grew.
fn count(
    sandbox: &mut Sandbox,
    service: &str,
    counter: &str,
    load: impl FnOnce() -> anyhow::Result<Vec<Reply>>,
) -> anyhow::Result<(Vec<Reply>, u64)> {
    let before = sandbox.gateway_counter(service, counter)?;
    let replies = load()?;
    let after = sandbox.gateway_counter(service, counter)?;
    Ok((replies, after - before))
}
