//! DNS capture: queries of the pod go to the proxy's DNS server.
//!
//! The proxy forwards what it does not know with the same addresses and ports as the application
//! used; without separate connection-tracking zones the kernel would take the one for the other.

use std::net::IpAddr;

use crate::config::DNS_PORT;
use crate::plan::Step;
use crate::ruleset::{Family, Table};

const OUTPUT_DNS: &str = "ISTIO_OUTPUT_DNS";
const INBOUND: &str = "ISTIO_INBOUND";

/// Whether there is anything to redirect: all queries, or known name servers.
pub(crate) fn is_redirected(step: &Step<'_>) -> bool {
    step.config.redirect_dns && (step.config.capture_all_dns || !servers(step).is_empty())
}

fn servers<'a>(step: &Step<'a>) -> &'a [IpAddr] {
    match step.family {
        Family::V4 => &step.config.dns_servers_v4,
        Family::V6 => &step.config.dns_servers_v6,
    }
}

/// The address matches of the queries to take, for a packet to (`-d`) or from (`-s`) a server.
fn matches(step: &Step<'_>, direction: &str) -> Vec<String> {
    if step.config.capture_all_dns {
        return vec![String::new()];
    }
    let length = if step.family == Family::V4 { 32 } else { 128 };
    servers(step)
        .iter()
        .map(|server| format!("{direction} {server}/{length} "))
        .collect()
}

pub(crate) fn redirect(step: &mut Step<'_>) {
    if !is_redirected(step) {
        return;
    }
    step.rules
        .append(Table::nat(), "ISTIO_OUTPUT", format!("-j {OUTPUT_DNS}"));
    for (transport, flag) in [("tcp", "--to-ports"), ("udp", "--to-port")] {
        for to in matches(step, "-d") {
            let rule = format!("-p {transport} --dport 53 {to}-j REDIRECT {flag} {DNS_PORT}");
            step.rules.append(Table::nat(), OUTPUT_DNS, rule);
        }
    }
}

pub(crate) fn separate_conntrack_zones(step: &mut Step<'_>) {
    if !is_redirected(step) {
        return;
    }
    let raw = Table::raw;
    step.rules
        .append(raw(), "OUTPUT", format!("-j {OUTPUT_DNS}"));
    for (kind, owners) in [
        ("uid", &step.config.proxy_uid),
        ("gid", &step.config.proxy_gid),
    ] {
        for owner in owners {
            let of = format!("-m owner --{kind}-owner {owner}");
            let sent = format!("-p udp --dport 53 {of} -j CT --zone 1");
            let answered = format!("-p udp --sport {DNS_PORT} {of} -j CT --zone 2");
            step.rules.append(raw(), OUTPUT_DNS, sent);
            step.rules.append(raw(), OUTPUT_DNS, answered);
        }
    }
    step.rules
        .append(raw(), "PREROUTING", format!("-j {INBOUND}"));
    for to in matches(step, "-d") {
        let rule = format!("-p udp --dport 53 {to}-j CT --zone 2");
        step.rules.append(raw(), OUTPUT_DNS, rule);
    }
    for from in matches(step, "-s") {
        step.rules.append(
            raw(),
            INBOUND,
            format!("-p udp --sport 53 {from}-j CT --zone 1"),
        );
    }
}
