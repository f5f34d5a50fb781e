//! Outbound capture: everything that the pod's processes send, except what the proxy sends itself.
//!
//! The order is the meaning: the proxy's own packets and loopback come first, then the groups and
//! ranges to leave alone, then what is captured.

use ipnet::IpNet;

use crate::config::{Config, Ports, Ranges};
use crate::dns;
use crate::plan::{IN_REDIRECT, OUTPUT, REDIRECT, Step};
use crate::ruleset::Table;

pub(crate) fn capture(step: &mut Step<'_>) {
    step.rules
        .append(Table::nat(), "OUTPUT", format!("-j {OUTPUT}"));
    if let Ports::List(ports) = &step.config.outbound_ports_exclude {
        for port in ports {
            for transport in ["tcp", "udp"] {
                let rule = format!("-p {transport} --dport {port} -j RETURN");
                step.rules.append(Table::nat(), OUTPUT, rule);
            }
        }
    }
    let own_calls = format!("-o lo -s {} -j RETURN", step.passthrough_source());
    step.rules.append(Table::nat(), OUTPUT, own_calls);
    let config = step.config;
    for uid in &config.proxy_uid {
        leave_proxy_alone(step, &format!("--uid-owner {uid}"), true);
    }
    for gid in &config.proxy_gid {
        leave_proxy_alone(step, &format!("--gid-owner {gid}"), false);
    }
    owner_groups(step);
    dns::redirect(step);
    let loopback = step.loopback();
    step.rules
        .append(Table::nat(), OUTPUT, format!("-d {loopback} -j RETURN"));
    destinations(step);
}

/// The proxy's connections leave the pod untouched, except one to an address of the pod itself
/// other than loopback: that is the application calling itself through a service, and must be
/// served like any inbound connection.
fn leave_proxy_alone(step: &mut Step<'_>, owner: &str, is_user: bool) {
    let (loopback, tunnel) = (step.loopback(), step.config.inbound_tunnel_port);
    let dns = dns::is_redirected(step);
    let ports = if dns && is_user {
        format!("-m multiport ! --dports 53,{tunnel}")
    } else {
        format!("! --dport {tunnel}")
    };
    let nat = Table::nat;
    let itself = format!("-o lo ! -d {loopback} -p tcp {ports} -m owner {owner} -j {IN_REDIRECT}");
    step.rules.append(nat(), OUTPUT, itself);
    if !captures_loopback(step.config) {
        let but_dns = if dns { "-p tcp ! --dport 53 " } else { "" };
        step.rules.append(
            nat(),
            OUTPUT,
            format!("-o lo {but_dns}-m owner ! {owner} -j RETURN"),
        );
    }
    step.rules
        .append(nat(), OUTPUT, format!("-m owner {owner} -j RETURN"));
}

fn captures_loopback(config: &Config) -> bool {
    let Ranges::List(ranges) = &config.outbound_ip_ranges_include else {
        return false;
    };
    ranges.iter().any(|range| match range {
        IpNet::V4(v4) => v4.addr().is_loopback(),
        IpNet::V6(v6) => v6.addr().is_loopback(),
    })
}

fn owner_groups(step: &mut Step<'_>) {
    let included = &step.config.outbound_owner_groups_include;
    if included.iter().any(|group| group == "*") {
        for group in &step.config.outbound_owner_groups_exclude {
            let rule = format!("-m owner --gid-owner {group} -j RETURN");
            step.rules.append(Table::nat(), OUTPUT, rule);
        }
        return;
    }
    let others: String = included
        .iter()
        .map(|group| format!("-m owner ! --gid-owner {group} "))
        .collect();
    step.rules
        .append(Table::nat(), OUTPUT, format!("{others}-j RETURN"));
}

fn destinations(step: &mut Step<'_>) {
    let config = step.config;
    for range in step.ranges(&config.outbound_ip_ranges_exclude) {
        step.rules
            .append(Table::nat(), OUTPUT, format!("-d {range} -j RETURN"));
    }
    if let Ports::List(ports) = &config.outbound_ports_include {
        for port in ports {
            let rule = format!("-p tcp --dport {port} -j {REDIRECT}");
            step.rules.append(Table::nat(), OUTPUT, rule);
        }
    }
    let captured: Vec<String> = match &config.outbound_ip_ranges_include {
        Ranges::All => vec![String::new()],
        ranges @ Ranges::List(_) => step
            .ranges(ranges)
            .into_iter()
            .map(|range| format!("-d {range} "))
            .collect(),
    };
    for destination in captured {
        step.rules
            .append(Table::nat(), OUTPUT, format!("{destination}-j {REDIRECT}"));
        for interface in &config.kube_virt_interfaces {
            let rule = format!("-i {interface} {destination}-j {REDIRECT}");
            step.rules.insert(Table::nat(), "PREROUTING", 1, rule);
        }
    }
}
