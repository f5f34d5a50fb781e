//! DNS clusters: names are resolved on the control runtime, again and again, by one task per cluster.
//!
//! A task ends with its cluster. Addresses that stay keep their endpoint's counters. A failed lookup
//! keeps the endpoints that were there.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tracing::warn;

use super::lookup::lookup;
use super::{Address, Endpoint, EndpointSet, Health};
use crate::compiled::{Cluster, Discovery, DnsHost, DnsSettings};

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
            tokio::time::sleep(self.settings.refresh.wait(failures) + jitter).await;
        }
    }

    /// The addresses of each name; `None` where the lookup failed.
    async fn resolve_all(&self) -> Vec<(DnsHost, Option<Vec<SocketAddr>>)> {
        let mut out = Vec::with_capacity(self.settings.hosts.len());
        for host in &self.settings.hosts {
            let mut found = lookup(&host.host, host.port, self.settings.family)
                .await
                .ok();
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
