//! `istio-iptables`: the redirection of a pod's traffic.

// The rules of a dry run go to standard output.
#![allow(clippy::print_stdout)]

use std::net::IpAddr;

use anyhow::Context as _;
use ferromesh_agent::dns::ResolvConf;
use ferromesh_capture::{Config, InterceptionMode, Plan, Ports, Ranges, Ruleset, apply, plan};
use ferromesh_telemetry::{LogFormat, init_logging};
use tracing::info;

use crate::command_line::RedirectionOptions;
use crate::proxy_command::filter;

pub(crate) fn run(options: &RedirectionOptions) -> anyhow::Result<()> {
    init_logging(&filter(&options.log_output_level, "info"), LogFormat::Text)?;
    let plan = plan(&config(options)?);
    if options.dry_run {
        print_plan(&plan);
        return Ok(());
    }
    if options.cleanup_only {
        apply::remove(&plan).context("taking the redirection away")?;
        return Ok(());
    }
    apply::apply(&plan).context("redirecting the pod's traffic")?;
    let rules = plan.v4.rules().len() + plan.v6.as_ref().map_or(0, |rules| rules.rules().len());
    info!(rules, "traffic is redirected");
    Ok(())
}

fn print_plan(plan: &Plan) {
    let print = |family: &str, rules: &Ruleset| {
        println!("# {family}\n{}", rules.restore_text());
    };
    print("iptables-restore --noflush", &plan.v4);
    if let Some(v6) = &plan.v6 {
        print("ip6tables-restore --noflush", v6);
    }
    if let Some((mark, table)) = plan.tproxy_route {
        println!("# packets with mark {mark} are routed by table {table} to the pod itself");
    }
}

fn config(options: &RedirectionOptions) -> anyhow::Result<Config> {
    let mode = match options.istio_inbound_interception_mode.as_str() {
        "TPROXY" => InterceptionMode::Tproxy,
        "REDIRECT" | "" => InterceptionMode::Redirect,
        other => anyhow::bail!(
            "--istio-inbound-interception-mode is {other:?}: write REDIRECT or TPROXY"
        ),
    };
    let asked = |name: &str| std::env::var(name).is_ok_and(|value| value == "true");
    let resolver =
        ResolvConf::parse(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = resolver
        .servers
        .iter()
        .map(std::net::SocketAddr::ip)
        .partition(IpAddr::is_ipv4);
    Ok(Config {
        proxy_port: options.envoy_port,
        inbound_capture_port: options.inbound_capture_port,
        inbound_tunnel_port: options.inbound_tunnel_port,
        proxy_uid: Config::parse_words("--proxy-uid", &options.proxy_uid)?,
        proxy_gid: Config::parse_words("--proxy-gid", &options.proxy_gid)?,
        inbound_interception_mode: mode,
        inbound_tproxy_mark: options.istio_inbound_tproxy_mark,
        inbound_tproxy_route_table: options.istio_inbound_tproxy_route_table,
        inbound_ports_include: Ports::parse("--istio-inbound-ports", &options.istio_inbound_ports)?,
        inbound_ports_exclude: Ports::parse(
            "--istio-local-exclude-ports",
            &options.istio_local_exclude_ports,
        )?,
        outbound_ports_include: Ports::parse(
            "--istio-outbound-ports",
            &options.istio_outbound_ports,
        )?,
        outbound_ports_exclude: Ports::parse(
            "--istio-local-outbound-ports-exclude",
            &options.istio_local_outbound_ports_exclude,
        )?,
        outbound_ip_ranges_include: Ranges::parse(
            "--istio-service-cidr",
            &options.istio_service_cidr,
        )?,
        outbound_ip_ranges_exclude: Ranges::parse(
            "--istio-service-exclude-cidr",
            &options.istio_service_exclude_cidr,
        )?,
        kube_virt_interfaces: Config::parse_words(
            "--kubevirt-interfaces",
            &options.kubevirt_interfaces,
        )?,
        exclude_interfaces: Config::parse_words(
            "--istio-exclude-interfaces",
            &options.istio_exclude_interfaces,
        )?,
        enable_inbound_ipv6: has_ipv6(),
        redirect_dns: options.redirect_dns || asked("ISTIO_META_DNS_CAPTURE"),
        capture_all_dns: options.capture_all_dns,
        dns_servers_v4: v4,
        dns_servers_v6: v6,
        drop_invalid: options.drop_invalid || asked("INVALID_DROP"),
        ..Config::default()
    })
}

/// Whether an interface other than the loopback one has an IPv6 address that reaches beyond its
/// link; the kernel lists addresses with their scope, 0 being global.
fn has_ipv6() -> bool {
    let list = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    list.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        matches!(fields.as_slice(), [_, _, _, "00", _, name] if *name != "lo")
    })
}
