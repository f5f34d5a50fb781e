//! The figures: each puts config in force, makes load and says what came of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, anyhow};

use super::breakers;
use super::load::{self, Reply, Target};
use crate::scenarios::{Sandbox, pause};

/// How far a share may be off, in standard deviations: one of 1,000 honest runs fails.
const DEVIATIONS: f64 = 3.3;

/// What a figure came to, and whether that is as expected.
pub struct Verdict {
    /// As it is shown.
    pub text: String,
    /// Whether it is as expected.
    pub holds: bool,
}

/// A figure.
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// What it has to come to.
    pub expected: &'static str,
    /// Finds it out.
    pub measure: fn(&mut Sandbox) -> anyhow::Result<Verdict>,
}

/// All figures.
pub const FIGURES: &[Figure] = &[
    Figure {
        name: "weights",
        expected: "90/10 of 10,000 requests within ±3.3 σ",
        measure: weights,
    },
    Figure {
        name: "locality",
        expected: "70/30 of 10,000 requests within ±3.3 σ",
        measure: locality,
    },
    Figure {
        name: "least-request",
        expected: "p75 below round robin's, and less for the slow endpoint",
        measure: least_request,
    },
    Figure {
        name: "ejection",
        expected: "at most 2 of 1,000 requests fail",
        measure: ejection,
    },
    Figure {
        name: "breaker-requests",
        expected: "of 10 at once 3 pass, 7 are turned away and counted; later 3 of 3 pass",
        measure: breakers::requests,
    },
    Figure {
        name: "breaker-pending",
        expected: "of 10 at once some pass, all others are turned away and counted",
        measure: breakers::pending,
    },
    Figure {
        name: "breaker-retries",
        expected: "retries over the limit are not made, and counted",
        measure: breakers::retries,
    },
    Figure {
        name: "flips",
        expected: "no request fails during 50 flips at 1,000 a second",
        measure: flips,
    },
];

const GATEWAY: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: load, namespace: east}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
";

const ONE_TRY: &str = "    retries: {attempts: 0}\n";

/// The gateway's only route: its destinations, and what else belongs to it.
pub fn route(destinations: &str) -> String {
    format!(
        "{GATEWAY}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: load, namespace: east}}
spec:
  hosts: ['*']
  gateways: [load]
  http:
  - route:
{destinations}"
    )
}

/// All requests to `host`, each tried once.
pub fn to(host: &str) -> String {
    route(&format!("    - destination: {{host: {host}}}\n{ONE_TRY}"))
}

/// The policy of a host.
pub fn rule(host: &str, policy: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: load, namespace: east}}
spec:
  host: {host}
{policy}"
    )
}

const SUBSETS: &str = "  subsets:
  - name: near
    labels: {app: near}
  - name: far
    labels: {app: far}
";

fn split(near: u32, far: u32) -> String {
    let route = route(&format!(
        "    - destination: {{host: well, subset: near}}
      weight: {near}
    - destination: {{host: well, subset: far}}
      weight: {far}
{ONE_TRY}"
    ));
    route + &rule("well", SUBSETS)
}

fn target(sandbox: &Sandbox, path: &str) -> anyhow::Result<Target> {
    Ok(Target {
        address: format!("{}:80", sandbox.gateway()).parse()?,
        path: path.to_owned(),
    })
}

/// Puts config in force, and waits until requests pass.
pub fn arrange(sandbox: &mut Sandbox, objects: &str) -> anyhow::Result<Target> {
    sandbox.apply(objects)?;
    let target = target(sandbox, "/")?;
    for _ in 0..200 {
        let reply = load::burst(&target, 1, 1)?;
        if reply
            .iter()
            .all(|reply| reply.status != 404 && reply.status != 0)
        {
            return Ok(target);
        }
        pause();
    }
    Err(anyhow!("the gateway does not answer"))
}

fn by(replies: &[Reply], deployment: &str) -> usize {
    let own = |reply: &&Reply| reply.by.starts_with(deployment);
    replies.iter().filter(own).count()
}

/// Requests that were not answered with 200.
pub fn failed(replies: &[Reply]) -> usize {
    replies.iter().filter(|reply| reply.status != 200).count()
}

fn share(replies: &[Reply], deployment: &str, wanted: f64) -> Verdict {
    let total = replies.len() as f64;
    let count = by(replies, deployment);
    let allowed = DEVIATIONS * (total * wanted * (1.0 - wanted)).sqrt();
    let off = (count as f64 - total * wanted).abs();
    Verdict {
        text: format!(
            "{count} of {total} by {deployment} (±{allowed:.0} allowed), {} failed",
            failed(replies)
        ),
        holds: off <= allowed && failed(replies) == 0,
    }
}

fn weights(sandbox: &mut Sandbox) -> anyhow::Result<Verdict> {
    let target = arrange(sandbox, &split(90, 10))?;
    Ok(share(&load::burst(&target, 10_000, 16)?, "near", 0.9))
}

fn locality(sandbox: &mut Sandbox) -> anyhow::Result<Verdict> {
    let policy = "  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 100}
    loadBalancer:
      simple: ROUND_ROBIN
      localityLbSetting:
        enabled: true
        distribute:
        - from: local/*
          to: {'local/*': 70, 'other/*': 30}
";
    let target = arrange(sandbox, &(to("well") + &rule("well", policy)))?;
    Ok(share(&load::burst(&target, 10_000, 16)?, "near", 0.7))
}

fn least_request(sandbox: &mut Sandbox) -> anyhow::Result<Verdict> {
    let mut measure = |name: &str| -> anyhow::Result<(u128, usize)> {
        let policy = format!("  trafficPolicy:\n    loadBalancer: {{simple: {name}}}\n");
        let target = arrange(sandbox, &(to("some-slow") + &rule("some-slow", &policy)))?;
        let mut replies = load::burst(&target, 1000, 8)?;
        replies.sort_by_key(|reply| reply.took);
        let p75 = replies[replies.len() * 3 / 4].took.as_millis();
        Ok((p75, by(&replies, "slow")))
    };
    let (even_p75, even) = measure("ROUND_ROBIN")?;
    let (least_p75, least) = measure("LEAST_REQUEST")?;
    Ok(Verdict {
        text: format!(
            "p75 {least_p75} ms against {even_p75} ms; slow got {least} against {even} of 1000"
        ),
        holds: least_p75 < even_p75 && least * 3 < even * 2,
    })
}

fn ejection(sandbox: &mut Sandbox) -> anyhow::Result<Verdict> {
    let policy = "  trafficPolicy:
    loadBalancer:
      simple: ROUND_ROBIN
      localityLbSetting: {enabled: false}
    outlierDetection:
      consecutive5xxErrors: 1
      interval: 1s
      baseEjectionTime: 300s
      maxEjectionPercent: 50
";
    // What finds out that the config is in force must not meet the endpoint that is to be ejected.
    sandbox.apply(&(to("some-ill") + &rule("some-ill", policy)))?;
    let target = target(sandbox, "/")?;
    let replies = load::burst(&target, 1000, 1)?;
    let wrong = failed(&replies);
    Ok(Verdict {
        text: format!("{wrong} of 1000 failed, {} by ill", by(&replies, "ill")),
        holds: wrong <= 2 && by(&replies, "ill") > 0,
    })
}

fn flips(sandbox: &mut Sandbox) -> anyhow::Result<Verdict> {
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, Ordering::Relaxed);
    let target = arrange(sandbox, &split(90, 10))?;
    let began = std::time::Instant::now();
    let loading = thread::spawn(move || load::steady(&target, 1000, 20, &STOP));
    let mut flipped = Ok(());
    for flip in 0..50 {
        let (near, far) = if flip % 2 == 0 { (10, 90) } else { (90, 10) };
        flipped = sandbox.apply(&split(near, far));
        if flipped.is_err() {
            break;
        }
    }
    STOP.store(true, Ordering::Relaxed);
    let replies = loading
        .join()
        .map_err(|_| anyhow!("the load broke off"))??;
    flipped.context("a flip did not arrive")?;
    let wrong = failed(&replies);
    let rate = replies.len() as f64 / began.elapsed().as_secs_f64();
    Ok(Verdict {
        text: format!("{wrong} of {} failed, at {rate:.0} a second", replies.len()),
        holds: wrong == 0 && rate > 900.0,
    })
}
