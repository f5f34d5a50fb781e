//! The rules of the choice of an endpoint beyond its types.

use super::{ConsistentHashLb, LoadBalancerSettings, LocalityLbSetting, SimpleLb, Warmup};
use crate::check::{Findings, text};
use crate::problem::Code;

/// The keys that a consistent hash can be made of.
const HASH_KEYS: [&str; 4] = [
    "httpHeaderName",
    "httpCookie",
    "useSourceIp",
    "httpQueryParameterName",
];

/// The rules of the choice of an endpoint.
pub(super) fn load_balancer(findings: &mut Findings<'_>, settings: &LoadBalancerSettings) {
    findings.at_most_one(&["simple", "consistentHash"]);
    findings.some(
        "consistentHash",
        settings.consistent_hash.as_ref(),
        consistent_hash,
    );
    findings.some(
        "localityLbSetting",
        settings.locality_lb_setting.as_ref(),
        locality,
    );
    let slow_start = settings.warmup_duration_secs.is_some() || settings.warmup.is_some();
    let suits = settings.consistent_hash.is_none()
        && !matches!(
            settings.simple,
            Some(SimpleLb::Random | SimpleLb::Passthrough)
        );
    if slow_start && !suits {
        findings.warn_at(
            "warmup",
            Code::Suspicious,
            "only round robin and least request have a slow start; this one is not used",
        );
    }
    if let Some(time) = settings.warmup_duration_secs {
        findings.rule("warmupDurationSecs", text::duration(time));
    }
    findings.some("warmup", settings.warmup.as_ref(), warmup);
}

fn warmup(findings: &mut Findings<'_>, value: &Warmup) {
    match value.duration {
        None => findings.required("duration", false),
        Some(time) => findings.rule("duration", text::duration(time)),
    }
    if let Some(share) = value.minimum_percent {
        findings.rule("minimumPercent", text::percent(share));
    }
    if let Some(aggression) = value.aggression
        && aggression < 1.0
    {
        findings.error_at(
            "aggression",
            format!("Invalid value: {aggression}: should be greater than or equal to 1"),
        );
    }
}

fn consistent_hash(findings: &mut Findings<'_>, value: &ConsistentHashLb) {
    match findings.count_written(&HASH_KEYS) {
        0 => findings.error(format!(
            "Required value: one of {} must be set",
            HASH_KEYS.join(", ")
        )),
        1 => {}
        _ => findings.at_most_one(&HASH_KEYS),
    }
    findings.at_most_one(&["ringHash", "maglev"]);
    ring_size(findings, value.minimum_ring_size);
    findings.some("ringHash", value.ring_hash.as_ref(), |findings, ring| {
        ring_size(findings, ring.minimum_ring_size);
    });
    findings.min_length("httpHeaderName", 1);
    findings.min_length("httpQueryParameterName", 1);
    findings.some(
        "httpCookie",
        value.http_cookie.as_ref(),
        |findings, cookie| {
            findings.required("name", !cookie.name.is_empty());
        },
    );
    findings.some("maglev", value.maglev.as_ref(), |findings, maglev| {
        if maglev
            .table_size
            .is_some_and(|size| size > 5_000_011 || !is_prime(size))
        {
            findings.error_at(
                "tableSize",
                "Invalid value: must be a prime number, at most 5000011",
            );
        }
    });
}

/// Proxies take no larger ring.
const LARGEST_RING: u64 = 8 << 20;

fn ring_size(findings: &mut Findings<'_>, size: Option<u64>) {
    if size.is_some_and(|size| size > LARGEST_RING) {
        let message = format!("Invalid value: must be at most {LARGEST_RING}");
        findings.error_at("minimumRingSize", message);
    }
}

fn is_prime(number: u64) -> bool {
    number >= 2 && (2..=number.isqrt()).all(|divisor| !number.is_multiple_of(divisor))
}

/// The rules of locality preference.
fn locality(findings: &mut Findings<'_>, value: &LocalityLbSetting) {
    if !value.distribute.is_empty()
        && (!value.failover.is_empty() || !value.failover_priority.is_empty())
    {
        findings.error(
            "Invalid value: can not simultaneously specify 'distribute' and 'failover' or \
             'failoverPriority'",
        );
    }
    findings.each("distribute", &value.distribute, |findings, row| {
        let sum: u64 = row.to.values().map(|share| u64::from(*share)).sum();
        if sum != 100 {
            findings.error_at(
                "to",
                format!("Invalid value: total locality weight {sum} != 100"),
            );
        }
        if row.to.values().any(|share| *share == 0) {
            findings.error_at(
                "to",
                "Invalid value: locality weight must be greater than 0",
            );
        }
        findings.required("from", !row.from.is_empty());
    });
    findings.each("failover", &value.failover, |findings, row| {
        if row.from == row.to {
            findings.error(format!(
                "Invalid value: locality lb failover settings must specify different regions, \
                 not \"{}\" twice",
                row.from
            ));
        }
        for (field, region) in [("from", &row.from), ("to", &row.to)] {
            if region.contains(['*', '/']) {
                findings.error_at(field, "Invalid value: must be a region alone");
            }
        }
    });
}
