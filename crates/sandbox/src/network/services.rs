//! Cluster addresses for pods without a sidecar: what kube-proxy does on a node, in the pod's own
//! namespace, so that a plain `http://catalog.shop/` reaches the right port of a ready pod. Names
//! stand for pod addresses in such pods; those lead on from the service's port as well.
//!
//! Pods with a sidecar have no such rules: there the proxy takes every connection, and a rewritten
//! destination would pass it by.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::balancer::Transport;
use super::command::{CommandError, run};
use crate::address::Range;

const CHAIN: &str = "FERROMESH_SVC";

/// One port of a service and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRoute {
    /// The cluster address.
    pub address: Ipv4Addr,
    /// What the port carries.
    pub transport: Transport,
    /// The service's port.
    pub port: u16,
    /// Addresses and ports of its pods.
    pub targets: Vec<(Ipv4Addr, u16)>,
}

/// The routes of all services, and the range that their addresses are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRoutes {
    /// The routes.
    pub routes: Vec<ServiceRoute>,
    /// The range.
    pub range: Range,
}

/// Puts `routes` in force in the namespace `netns`; `first` when it has none yet.
///
/// # Errors
/// When `iptables` says no.
pub async fn apply(netns: &str, routes: &ServiceRoutes, first: bool) -> Result<(), CommandError> {
    let args = [
        "netns",
        "exec",
        netns,
        "iptables-restore",
        "-w",
        "--noflush",
    ];
    run("ip", &args, &rules(routes, first)).await.map(drop)
}

/// The `iptables-restore` text. Declaring the chain empties it. What no rule has rewritten has no
/// ready pod and is refused at once: nothing beyond the pod knows these addresses.
fn rules(routes: &ServiceRoutes, first: bool) -> String {
    let mut text = format!("*nat\n:{CHAIN} - [0:0]\n");
    for route in &routes.routes {
        let transport = route.transport.as_str();
        let count = route.targets.len();
        for (n, (ip, target)) in route.targets.iter().enumerate() {
            let _ = write!(
                text,
                "-A {CHAIN} -d {}/32 -p {transport} --dport {}",
                route.address, route.port
            );
            // Each rule sees what those before it have let through; the last takes the rest.
            if n + 1 < count {
                let share = 1.0 / (count - n) as f64;
                let _ = write!(
                    text,
                    " -m statistic --mode random --probability {share:.10}"
                );
            }
            let _ = writeln!(text, " -j DNAT --to-destination {ip}:{target}");
        }
        // The names of the service stand for its pods here: its port leads to the pod's there too.
        for (ip, target) in route
            .targets
            .iter()
            .filter(|(_, target)| *target != route.port)
        {
            let _ = writeln!(
                text,
                "-A {CHAIN} -d {ip}/32 -p {transport} --dport {} -j DNAT --to-destination {ip}:{target}",
                route.port
            );
        }
    }
    if first {
        let _ = writeln!(text, "-A OUTPUT -j {CHAIN}");
    }
    text.push_str("COMMIT\n");
    if first {
        let range = routes.range;
        let _ = write!(
            text,
            "*filter\n-A OUTPUT -d {range} -p tcp -j REJECT --reject-with tcp-reset\n\
             -A OUTPUT -d {range} -j REJECT\nCOMMIT\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_evenly_and_the_port_is_the_pod_s() {
        let ip = |last| Ipv4Addr::new(10, 244, 0, last);
        let routes = ServiceRoutes {
            routes: vec![ServiceRoute {
                address: Ipv4Addr::new(10, 96, 0, 2),
                transport: Transport::Tcp,
                port: 80,
                targets: vec![(ip(2), 3000), (ip(3), 3000), (ip(4), 3000)],
            }],
            range: Range::new(Ipv4Addr::new(10, 96, 0, 0), 16),
        };
        let text = rules(&routes, true);
        assert!(
            text.contains("--probability 0.3333333333 -j DNAT --to-destination 10.244.0.2:3000"),
            "{text}"
        );
        assert!(
            text.contains("--probability 0.5000000000 -j DNAT --to-destination 10.244.0.3:3000"),
            "{text}"
        );
        assert!(
            text.contains("--dport 80 -j DNAT --to-destination 10.244.0.4:3000"),
            "{text}"
        );
        assert!(
            text.contains(
                "-d 10.244.0.2/32 -p tcp --dport 80 -j DNAT --to-destination 10.244.0.2:3000"
            ),
            "{text}"
        );
        assert!(text.contains("-d 10.96.0.0/16 -p tcp -j REJECT"), "{text}");
        assert!(!rules(&routes, false).contains("*filter"));
    }
}
