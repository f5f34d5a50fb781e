//! DNS clusters: names are resolved on the control runtime, again and again, by one task per cluster.
//!
//! A task ends with its cluster. Addresses that stay keep their endpoint's counters. A failed lookup
//! keeps the endpoints that were there.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{debug, warn};

use super::{Address, Endpoint, EndpointSet, Health};
use crate::compiled::{Cluster, Discovery, DnsFamily, DnsHost, DnsSettings};

/// The clusters that are being resolved.
#[derive(Debug)]
pub(crate) struct DnsResolvers {
    /// By the address of the cluster object, which lives as long as its task needs it.
    running: HashMap<usize, Weak<Cluster>>,
    /// Told after each answer, so that a cluster can become warm.
    answered: Arc<Notify>,
}

impl DnsResolvers {
    /// None yet.
    pub(crate) fn new(answered: Arc<Notify>) -> Self {
        Self {
            running: HashMap::new(),
            answered,
        }
    }

    /// Starts tasks for those of `clusters` that have none. Call it inside a tokio runtime.
    pub(crate) fn follow<'a>(&mut self, clusters: impl Iterator<Item = &'a Arc<Cluster>>) {
        self.running.retain(|_, cluster| cluster.strong_count() > 0);
        for cluster in clusters {
            let (Discovery::StrictDns(settings) | Discovery::LogicalDns(settings)) =
                &cluster.discovery
            else {
                continue;
            };
            let key = Arc::as_ptr(cluster) as usize;
            if self.running.contains_key(&key) {
                continue;
            }
            self.running.insert(key, Arc::downgrade(cluster));
            let resolver = Resolver {
                settings: settings.clone(),
                logical: matches!(cluster.discovery, Discovery::LogicalDns(_)),
                cluster: Arc::downgrade(cluster),
                answered: Arc::clone(&self.answered),
            };
            tokio::spawn(resolver.run());
        }
    }
}

struct Resolver {
    settings: DnsSettings,
    logical: bool,
    cluster: Weak<Cluster>,
    answered: Arc<Notify>,
}

impl Resolver {
    async fn run(self) {
        let mut failures = 0;
        loop {
            let found = self.resolve_all().await;
            let failed = found.iter().any(|(_, addresses)| addresses.is_none());
            failures = if failed { failures + 1 } else { 0 };
            let Some(cluster) = self.cluster.upgrade() else {
                return;
            };
            publish(&cluster, found);
            drop(cluster);
            self.answered.notify_one();
            // The system's resolver tells no lifetime, so `respect_ttl` has nothing to go by.
            let jitter = self.settings.jitter.mul_f64(fastrand::f64());
            tokio::time::sleep(self.settings.wait(failures) + jitter).await;
        }
    }

    /// The addresses of each name; `None` where the lookup failed.
    async fn resolve_all(&self) -> Vec<(DnsHost, Option<Vec<SocketAddr>>)> {
        let mut out = Vec::with_capacity(self.settings.hosts.len());
        for host in &self.settings.hosts {
            let mut found = resolve(host, self.settings.family).await;
            if self.logical
                && let Some(addresses) = &mut found
            {
                addresses.truncate(1);
            }
            out.push((host.clone(), found));
        }
        out
    }
}

async fn resolve(host: &DnsHost, family: DnsFamily) -> Option<Vec<SocketAddr>> {
    if let Ok(ip) = host.host.parse::<IpAddr>() {
        return Some(vec![SocketAddr::new(ip, host.port)]);
    }
    match tokio::net::lookup_host((host.host.as_str(), host.port)).await {
        Ok(addresses) => Some(of_family(addresses.collect(), family)),
        Err(error) => {
            debug!(host = %host.host, %error, "name lookup failed");
            None
        }
    }
}

impl DnsSettings {
    /// The wait before the next lookup, after so many that failed in a row.
    fn wait(&self, failures: u32) -> Duration {
        match self.failure_refresh {
            Some((first, longest)) if failures > 0 => {
                let factor = 2_u32.saturating_pow((failures - 1).min(16));
                first.saturating_mul(factor).min(longest)
            }
            _ => self.refresh,
        }
    }
}

fn of_family(addresses: Vec<SocketAddr>, family: DnsFamily) -> Vec<SocketAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
    match family {
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::V4Preferred if !v4.is_empty() => v4,
        DnsFamily::V4Preferred => v6,
        DnsFamily::Auto if !v6.is_empty() => v6,
        DnsFamily::Auto => v4,
        DnsFamily::All => v4.into_iter().chain(v6).collect(),
    }
}

fn publish(cluster: &Cluster, found: Vec<(DnsHost, Option<Vec<SocketAddr>>)>) {
    let previous = cluster.endpoints.current();
    let counters = previous.counters();
    let mut seen = HashSet::new();
    let mut endpoints = Vec::new();
    let mut weights = HashMap::new();
    for (host, addresses) in found {
        weights.insert((host.priority, host.locality.clone()), host.locality_weight);
        let Some(addresses) = addresses else {
            let kept = previous
                .endpoints()
                .filter(|each| each.hostname == host.host);
            endpoints.extend(
                kept.filter(|each| seen.insert(each.address.clone()))
                    .cloned(),
            );
            continue;
        };
        for address in addresses.into_iter().map(Address::Ip) {
            if !seen.insert(address.clone()) {
                continue;
            }
            endpoints.push(Arc::new(Endpoint {
                counters: counters
                    .get(&address)
                    .cloned()
                    .unwrap_or_else(|| cluster.new_counters()),
                address,
                hostname: host.host.clone(),
                locality: host.locality.clone(),
                priority: host.priority,
                weight: host.weight,
                health: Health::Unknown,
                transport: Arc::clone(cluster.transports.find(&host.match_metadata)),
                workload: ferromesh_types::Str::default(),
                metadata: host.metadata.clone(),
                check: host.check.clone(),
            }));
        }
    }
    if endpoints.is_empty() && previous.total > 0 {
        warn!(cluster = %cluster.name, "no address found any more; the last ones stay");
        return;
    }
    let same = endpoints.len() == previous.total
        && cluster
            .endpoints_arrived
            .load(std::sync::atomic::Ordering::Acquire)
        && previous
            .endpoints()
            .all(|each| seen.contains(&each.address));
    if same {
        return;
    }
    let set = EndpointSet::new(endpoints, &weights, cluster.set_settings, "".into());
    cluster.replace_endpoints(set);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_followed_by_longer_and_longer_waits() {
        let mut settings = DnsSettings {
            hosts: Vec::new(),
            refresh: Duration::from_hours(1),
            failure_refresh: None,
            jitter: Duration::ZERO,
            respect_ttl: false,
            family: DnsFamily::Auto,
        };
        assert_eq!(settings.wait(3), settings.refresh);
        let seconds = Duration::from_secs;
        settings.failure_refresh = Some((seconds(1), seconds(5)));
        let waits = [0, 1, 2, 3, 4].map(|failures| settings.wait(failures));
        let expected = [
            settings.refresh,
            seconds(1),
            seconds(2),
            seconds(4),
            seconds(5),
        ];
        assert_eq!(waits, expected);
    }

    #[test]
    fn the_wanted_family_is_kept() {
        let v4: SocketAddr = "10.0.0.1:80".parse().expect("an address");
        let v6: SocketAddr = "[::1]:80".parse().expect("an address");
        for (family, expected) in [
            (DnsFamily::V4Only, vec![v4]),
            (DnsFamily::V6Only, vec![v6]),
            (DnsFamily::V4Preferred, vec![v4]),
            (DnsFamily::Auto, vec![v6]),
            (DnsFamily::All, vec![v4, v6]),
        ] {
            assert_eq!(of_family(vec![v4, v6], family), expected);
        }
    }
}
