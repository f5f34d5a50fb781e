//! A pod's side: namespace, veth pair, address, routes.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::command::{CommandError, ip_batch, run};
use crate::address::Ranges;
use crate::names::SandboxName;

/// What a pod's network is made of.
#[derive(Clone, Debug)]
pub struct PodNetwork {
    /// Name of the network namespace.
    pub netns: String,
    /// The host's end of the veth pair.
    pub veth: String,
    /// The bridge it is plugged into.
    pub bridge: String,
    /// The pod's address.
    pub address: Ipv4Addr,
    /// The sandbox's ranges.
    pub ranges: Ranges,
}

impl PodNetwork {
    /// Plans the network of the pod with the given address.
    pub fn plan(
        sandbox: &SandboxName,
        pod: (&str, &str),
        index: u32,
        address: Ipv4Addr,
        ranges: Ranges,
    ) -> Self {
        Self {
            netns: sandbox.netns(pod.0, pod.1),
            veth: sandbox.veth(index),
            bridge: sandbox.bridge(),
            address,
            ranges,
        }
    }

    /// The namespace as a file, for `setns`.
    pub fn netns_path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.netns)
    }

    fn host_lines(&self) -> Vec<String> {
        let Self {
            netns,
            veth,
            bridge,
            ..
        } = self;
        vec![
            format!("netns add {netns}"),
            format!("link add {veth} type veth peer name eth0 netns {netns}"),
            format!("link set {veth} master {bridge}"),
            format!("link set {veth} up"),
        ]
    }

    fn pod_lines(&self) -> Vec<String> {
        let address = self.ranges.pods.with_prefix(self.address);
        vec![
            "link set lo up".to_owned(),
            format!("addr add {address} dev eth0"),
            "link set eth0 up".to_owned(),
            format!("route add {} dev eth0", self.ranges.load_balancers),
            format!("route add default via {}", self.ranges.bridge()),
        ]
    }

    /// Makes the namespace and connects it.
    ///
    /// # Errors
    /// When `ip` says no.
    pub async fn create(&self) -> Result<(), CommandError> {
        ip_batch(None, &self.host_lines()).await?;
        ip_batch(Some(&self.netns), &self.pod_lines()).await
    }

    /// Takes the namespace away, and with it the veth pair and every rule inside.
    ///
    /// # Errors
    /// When `ip` says no.
    pub async fn delete(&self) -> Result<(), CommandError> {
        // The kernel destroys a namespace in its own time; the name of the veth is free at once.
        let _ = run("ip", &["link", "del", &self.veth], "").await;
        run("ip", &["netns", "del", &self.netns], "")
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_reaches_its_neighbours_and_the_load_balancers_directly() {
        let name = SandboxName::parse("demo").expect("a valid name");
        let ranges = Ranges::candidate(0);
        let network = PodNetwork::plan(
            &name,
            ("shop", "web-1"),
            7,
            Ipv4Addr::new(10, 244, 0, 9),
            ranges,
        );
        let lines = network.pod_lines().join("\n");
        assert!(lines.contains("addr add 10.244.0.9/16 dev eth0"), "{lines}");
        assert!(
            lines.contains("route add 172.18.100.0/24 dev eth0"),
            "{lines}"
        );
        assert!(lines.contains("default via 10.244.0.1"), "{lines}");
        assert_eq!(network.netns, "fm.demo.shop.web-1");
    }
}
