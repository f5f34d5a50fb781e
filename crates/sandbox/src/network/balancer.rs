//! Load balancer addresses: a second address on one ready pod of the service, with redirection
//! from the service's ports to the pod's.
//!
//! The rules live in the pod's own namespace, so that they leave with it. They only touch packets
//! to the load balancer's address.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::command::{CommandError, ip_batch, run};
use crate::address::Ranges;

/// The chain that holds the redirections.
const CHAIN: &str = "FERROMESH_LB";

/// An address on a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalancerAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Transport, port of the service, port of the pod.
    pub ports: Vec<(Transport, u16, u16)>,
}

/// What a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// Reads a service port's `protocol`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Puts exactly `addresses` on the pod in `netns`, in place of `before`.
///
/// # Errors
/// When `ip` or `iptables` says no.
pub async fn assign(
    netns: &str,
    ranges: &Ranges,
    before: &[BalancerAddress],
    addresses: &[BalancerAddress],
) -> Result<(), CommandError> {
    let prefixed = |a: &BalancerAddress| ranges.load_balancers.with_prefix(a.address);
    let has = |list: &[BalancerAddress], a: &BalancerAddress| {
        list.iter().any(|other| other.address == a.address)
    };
    let mut lines = Vec::new();
    for gone in before.iter().filter(|a| !has(addresses, a)) {
        lines.push(format!("addr del {} dev eth0", prefixed(gone)));
    }
    for new in addresses.iter().filter(|a| !has(before, a)) {
        // The route to the range is there already, with the pod's own address as its source.
        lines.push(format!("addr add {} dev eth0 noprefixroute", prefixed(new)));
    }
    if !lines.is_empty() {
        ip_batch(Some(netns), &lines).await?;
    }
    let exists = run(
        "ip",
        &[
            "netns", "exec", netns, "iptables", "-w", "-t", "nat", "-S", CHAIN,
        ],
        "",
    )
    .await
    .is_ok();
    let rules = rules(addresses, !exists);
    let args = [
        "netns",
        "exec",
        netns,
        "iptables-restore",
        "-w",
        "--noflush",
    ];
    run("ip", &args, &rules).await.map(drop)
}

/// The `iptables-restore` text. Declaring the chain empties it; the jumps are made once, in front
/// of whatever redirection the mesh has set up.
fn rules(addresses: &[BalancerAddress], first: bool) -> String {
    let mut text = format!("*nat\n:{CHAIN} - [0:0]\n");
    for balancer in addresses {
        for (transport, port, target) in &balancer.ports {
            let _ = writeln!(
                text,
                "-A {CHAIN} -d {}/32 -p {} --dport {port} -j REDIRECT --to-ports {target}",
                balancer.address,
                transport.as_str(),
            );
        }
    }
    if first {
        let _ = write!(text, "-I PREROUTING 1 -j {CHAIN}\n-I OUTPUT 1 -j {CHAIN}\n");
    }
    text.push_str("COMMIT\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_is_redirected_for_the_balancer_s_address_only() {
        let balancer = BalancerAddress {
            address: Ipv4Addr::new(172, 18, 100, 2),
            ports: vec![(Transport::Tcp, 80, 8080)],
        };
        let text = rules(&[balancer], true);
        assert!(
            text.contains(
                "-A FERROMESH_LB -d 172.18.100.2/32 -p tcp --dport 80 -j REDIRECT --to-ports 8080\n"
            ),
            "{text}"
        );
        assert!(text.contains("-I OUTPUT 1 -j FERROMESH_LB\n"), "{text}");
        assert!(!rules(&[], false).contains("-I "));
    }
}
