//! The host's side: the bridge, its addresses, and which ranges are free.

use std::net::Ipv4Addr;

use super::command::{CommandError, ip_batch, run};
use crate::address::{Range, Ranges};
use crate::names::SandboxName;

/// No built-in range is free.
#[derive(Debug, thiserror::Error)]
pub enum RangesError {
    /// The host's addresses cannot be read.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// All candidates are taken.
    #[error(
        "every built-in address range is in use on this machine: give free ones with --pod-cidr \
         and --lb-cidr"
    )]
    NoneFree,
    /// The range that the user asked for is taken.
    #[error("{wanted} overlaps {used}, which this machine already routes: give another range")]
    Taken {
        /// What was asked for.
        wanted: Range,
        /// What is in the way.
        used: String,
    },
}

/// What the user asks for; the rest is chosen.
#[derive(Clone, Copy, Debug, Default)]
pub struct WantedRanges {
    /// Pods.
    pub pods: Option<Range>,
    /// Load balancers.
    pub load_balancers: Option<Range>,
}

/// Chooses ranges that no route of the host touches.
///
/// # Errors
/// When the wanted ranges, or all built-in ones, are in use.
pub async fn choose_ranges(wanted: WantedRanges) -> Result<Ranges, RangesError> {
    let used = routed_ranges(&run("ip", &["-4", "route", "show", "table", "all"], "").await?);
    pick(wanted, &used)
}

fn pick(wanted: WantedRanges, used: &[Range]) -> Result<Ranges, RangesError> {
    let blocker = |range: &Range| used.iter().find(|other| other.overlaps(range));
    for range in [wanted.pods, wanted.load_balancers].into_iter().flatten() {
        if let Some(used) = blocker(&range) {
            return Err(RangesError::Taken {
                wanted: range,
                used: used.to_string(),
            });
        }
    }
    (0..Ranges::CANDIDATES)
        .map(|n| {
            let mut ranges = Ranges::candidate(n);
            ranges.pods = wanted.pods.unwrap_or(ranges.pods);
            ranges.load_balancers = wanted.load_balancers.unwrap_or(ranges.load_balancers);
            ranges
        })
        .find(|r| {
            blocker(&r.pods).is_none()
                && blocker(&r.load_balancers).is_none()
                && !r.pods.overlaps(&r.services)
        })
        .ok_or(RangesError::NoneFree)
}

/// The destinations in the output of `ip route`; the default route blocks nothing.
fn routed_ranges(routes: &str) -> Vec<Range> {
    let destination = |line: &str| {
        let mut words = line.split_whitespace();
        let first = words.next()?;
        let text = match first {
            "local" | "broadcast" | "unreachable" | "blackhole" => words.next()?,
            other => other,
        };
        Range::of_route(text)
    };
    routes.lines().filter_map(destination).collect()
}

/// Makes the bridge with the gateway addresses of both ranges.
///
/// # Errors
/// When `ip` or `iptables` says no.
pub async fn create_bridge(name: &SandboxName, ranges: &Ranges) -> Result<(), CommandError> {
    let bridge = name.bridge();
    let with_prefix = |range: &Range, address: Ipv4Addr| range.with_prefix(address);
    ip_batch(
        None,
        &[
            // An address of its own: a bridge without takes that of one of its ports, and changes it
            // as ports come and go.
            format!("link add {bridge} address {} type bridge", mac(name)),
            format!(
                "addr add {} dev {bridge}",
                with_prefix(&ranges.pods, ranges.bridge())
            ),
            format!(
                "addr add {} dev {bridge}",
                with_prefix(&ranges.load_balancers, ranges.load_balancer_bridge())
            ),
            format!("link set {bridge} up"),
        ],
    )
    .await?;
    allow_bridged(&bridge).await
}

/// A locally administered hardware address that is the sandbox's own.
fn mac(name: &SandboxName) -> String {
    let [a, b, c, d] = name.slot().to_be_bytes();
    format!("02:fe:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Where bridged packets pass the host's firewall (`br_netfilter`, loaded by container engines),
/// its FORWARD rules could cut the pods off from each other. Where there are none, nothing is
/// added.
async fn allow_bridged(bridge: &str) -> Result<(), CommandError> {
    let setting = std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    if !setting.is_ok_and(|text| text.trim() == "1") {
        return Ok(());
    }
    // A machine without the tool has no such rules.
    let rules = run("iptables-save", &["-t", "filter"], "")
        .await
        .unwrap_or_default();
    if forwards_everything(&rules) {
        return Ok(());
    }
    let rule = forward_rule(bridge);
    let mut args = vec!["-w", "-I"];
    args.extend(rule.iter().map(String::as_str));
    run("iptables", &args, "").await.map(drop)
}

/// Whether the filter table, as `iptables-save` prints it, lets every forwarded packet pass.
fn forwards_everything(rules: &str) -> bool {
    rules.lines().all(|line| {
        !line.starts_with("-A FORWARD")
            && (!line.starts_with(":FORWARD") || line.starts_with(":FORWARD ACCEPT"))
    })
}

/// The one rule that a sandbox adds to the host's firewall.
pub(super) fn forward_rule(bridge: &str) -> Vec<String> {
    ["FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT"]
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_the_host_routes_is_passed_over() {
        let routes = "default via 192.0.2.1 dev eth0\n10.244.0.0/16 dev cni0 proto kernel\n\
                      local 127.0.0.1 dev lo table local\nbroadcast 172.18.101.255 dev x";
        let ranges = pick(WantedRanges::default(), &routed_ranges(routes)).expect("one is free");
        assert_eq!(ranges, Ranges::candidate(2));
    }

    #[test]
    fn a_firewall_without_forward_rules_is_left_alone() {
        assert!(forwards_everything(""));
        assert!(forwards_everything(
            "*filter\n:FORWARD ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT"
        ));
        assert!(!forwards_everything("*filter\n:FORWARD DROP [0:0]\nCOMMIT"));
        assert!(!forwards_everything(
            ":FORWARD ACCEPT [0:0]\n-A FORWARD -j DOCKER\n"
        ));
    }

    #[test]
    fn a_wanted_range_that_is_taken_is_refused_by_name() {
        let wanted = WantedRanges {
            pods: Range::parse("192.0.2.0/24").ok(),
            load_balancers: None,
        };
        let error = pick(wanted, &routed_ranges("192.0.2.0/25 dev eth0")).expect_err("taken");
        assert!(error.to_string().contains("192.0.2.0/25"), "{error}");
    }
}
