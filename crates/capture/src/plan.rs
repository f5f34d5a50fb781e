//! From config to rules: the order of the steps. Each step is a module of its own; one step writes
//! the rules of one family.

use ipnet::IpNet;

use crate::config::{Config, InterceptionMode, Ranges};
use crate::ruleset::{Family, Ruleset, Table};
use crate::{dns, inbound, outbound, tproxy};

pub(crate) const INBOUND: &str = "ISTIO_INBOUND";
pub(crate) const IN_REDIRECT: &str = "ISTIO_IN_REDIRECT";
pub(crate) const OUTPUT: &str = "ISTIO_OUTPUT";
pub(crate) const REDIRECT: &str = "ISTIO_REDIRECT";

/// The rules of both families; the second is there when IPv6 is captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// IPv4.
    pub v4: Ruleset,
    /// IPv6.
    pub v6: Option<Ruleset>,
    /// The mark and routing table that transparent interception needs routes for.
    pub tproxy_route: Option<(u32, u32)>,
}

/// What the steps need to know about the family they write for.
pub(crate) struct Step<'a> {
    pub(crate) config: &'a Config,
    pub(crate) family: Family,
    pub(crate) rules: Ruleset,
}

/// Plans the capture.
pub fn plan(config: &Config) -> Plan {
    Plan {
        v4: ruleset(config, Family::V4),
        v6: config
            .enable_inbound_ipv6
            .then(|| ruleset(config, Family::V6)),
        tproxy_route: (config.inbound_interception_mode == InterceptionMode::Tproxy).then_some((
            config.inbound_tproxy_mark,
            config.inbound_tproxy_route_table,
        )),
    }
}

fn ruleset(config: &Config, family: Family) -> Ruleset {
    let mut step = Step {
        config,
        family,
        rules: Ruleset::default(),
    };
    leave_interfaces_alone(&mut step);
    drop_invalid(&mut step);
    redirect_chains(&mut step);
    inbound::capture(&mut step);
    outbound::capture(&mut step);
    tproxy::mark_loops(&mut step);
    dns::separate_conntrack_zones(&mut step);
    step.rules
}

impl Step<'_> {
    /// The range that means "this host" in rules: excluded from capture.
    pub(crate) fn loopback(&self) -> String {
        match self.family {
            Family::V4 => self.config.host_ipv4_loopback_cidr.to_string(),
            Family::V6 => "::1/128".to_owned(),
        }
    }

    /// The source address by which the proxy calls its own application.
    pub(crate) fn passthrough_source(&self) -> &'static str {
        match self.family {
            Family::V4 => "127.0.0.6/32",
            Family::V6 => "::6/128",
        }
    }

    /// The ranges of this family.
    pub(crate) fn ranges<'r>(&self, ranges: &'r Ranges) -> Vec<&'r IpNet> {
        match ranges {
            Ranges::All => Vec::new(),
            Ranges::List(list) => list
                .iter()
                .filter(|range| matches!(range, IpNet::V4(_)) == (self.family == Family::V4))
                .collect(),
        }
    }
}

fn leave_interfaces_alone(step: &mut Step<'_>) {
    for interface in &step.config.exclude_interfaces {
        step.rules.append(
            Table::nat(),
            "PREROUTING",
            format!("-i {interface} -j RETURN"),
        );
        step.rules
            .append(Table::nat(), "OUTPUT", format!("-o {interface} -j RETURN"));
    }
    for interface in &step.config.kube_virt_interfaces {
        step.rules.insert(
            Table::nat(),
            "PREROUTING",
            1,
            format!("-i {interface} -j RETURN"),
        );
    }
}

fn drop_invalid(step: &mut Step<'_>) {
    if step.config.drop_invalid {
        let jump = "-m conntrack --ctstate INVALID -j ISTIO_DROP";
        step.rules.append(Table::mangle(), "PREROUTING", jump);
        step.rules.append(Table::mangle(), "ISTIO_DROP", "-j DROP");
    }
}

fn redirect_chains(step: &mut Step<'_>) {
    let Config {
        inbound_tunnel_port,
        proxy_port,
        inbound_capture_port,
        ..
    } = step.config;
    let tunnel = format!("-p tcp --dport {inbound_tunnel_port} -j RETURN");
    step.rules.append(Table::nat(), INBOUND, tunnel);
    let outbound = format!("-p tcp -j REDIRECT --to-ports {proxy_port}");
    step.rules.append(Table::nat(), REDIRECT, outbound);
    let inbound = format!("-p tcp -j REDIRECT --to-ports {inbound_capture_port}");
    step.rules.append(Table::nat(), IN_REDIRECT, inbound);
}
