//! Choosing a cluster: one by name, one by a request header, or one of several by weight.

use std::borrow::Cow;
use std::sync::Arc;

use ferromesh_types::Str;

use crate::endpoint_match::EndpointMatch;
use crate::filter_settings::FilterSettings;
use crate::mutation::HeaderMutations;
use crate::request::RequestView;

/// Where a route or a TCP proxy sends to.
#[derive(Clone, Debug)]
pub enum ClusterChoice {
    /// Always this cluster.
    Named(Str),
    /// The cluster that this request header names.
    FromHeader(Str),
    /// One of several.
    Weighted(WeightedClusters),
}

/// Several clusters with their shares.
#[derive(Clone, Debug)]
pub struct WeightedClusters {
    clusters: Vec<WeightedCluster>,
    total: u64,
}

/// One cluster with its share.
#[derive(Clone, Debug, Default)]
pub struct WeightedCluster {
    /// The cluster's name.
    pub name: Str,
    /// Its share of the sum of all weights.
    pub weight: u32,
    /// Header edits for requests that take this cluster.
    pub headers: HeaderMutations,
    /// The authority for requests that take this cluster.
    pub host_rewrite: Option<Str>,
    /// Which of its endpoints, where it has subsets; the route's own criteria included.
    pub endpoint_match: Option<Arc<EndpointMatch>>,
    /// Settings of filters for requests that take this cluster.
    pub filters: FilterSettings,
}

impl WeightedClusters {
    /// Takes the clusters with their weights; `None` when all weights are zero.
    pub fn new(clusters: Vec<WeightedCluster>) -> Option<Self> {
        let total = clusters
            .iter()
            .map(|cluster| u64::from(cluster.weight))
            .sum();
        (total > 0).then_some(Self { clusters, total })
    }

    /// The cluster for the request that drew `random`.
    pub fn pick(&self, random: u64) -> &WeightedCluster {
        let mut point = random % self.total;
        for cluster in &self.clusters {
            let weight = u64::from(cluster.weight);
            if point < weight {
                return cluster;
            }
            point -= weight;
        }
        // The weights sum up to `total`, so the loop has returned.
        &self.clusters[0]
    }

    /// All clusters in the order of the config.
    pub fn clusters(&self) -> &[WeightedCluster] {
        &self.clusters
    }
}

/// The cluster that was chosen for a request.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The cluster's name; empty when the naming header is missing.
    pub name: Cow<'a, str>,
    /// The edits that go with it, for weighted choices.
    pub weighted: Option<&'a WeightedCluster>,
}

impl ClusterChoice {
    /// Chooses for a request that drew `random`.
    pub fn choose<'a>(&'a self, request: &'a impl RequestView, random: u64) -> Chosen<'a> {
        match self {
            Self::Named(name) => Chosen {
                name: Cow::Borrowed(name),
                weighted: None,
            },
            Self::FromHeader(header) => Chosen {
                name: crate::request::field(request, header).unwrap_or_default(),
                weighted: None,
            },
            Self::Weighted(clusters) => {
                let cluster = clusters.pick(random);
                Chosen {
                    name: Cow::Borrowed(&cluster.name),
                    weighted: Some(cluster),
                }
            }
        }
    }

    /// Chooses where there is no request (TCP): `None` when a header would be needed.
    pub fn choose_for_connection(&self, random: u64) -> Option<Chosen<'_>> {
        match self {
            Self::Named(name) => Some(Chosen {
                name: Cow::Borrowed(name),
                weighted: None,
            }),
            Self::FromHeader(_) => None,
            Self::Weighted(_) => self.weighted(random).map(|cluster| Chosen {
                name: Cow::Borrowed(&cluster.name),
                weighted: Some(cluster),
            }),
        }
    }

    /// The one of several clusters that a request gets which drew `random`.
    pub fn weighted(&self, random: u64) -> Option<&WeightedCluster> {
        match self {
            Self::Weighted(clusters) => Some(clusters.pick(random)),
            Self::Named(_) | Self::FromHeader(_) => None,
        }
    }

    /// Every cluster name that can be chosen, as far as the config tells.
    pub fn names(&self) -> Vec<&Str> {
        match self {
            Self::Named(name) => vec![name],
            Self::FromHeader(_) => Vec::new(),
            Self::Weighted(clusters) => clusters.clusters.iter().map(|each| &each.name).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_weights() {
        let cluster = |name: &str, weight| WeightedCluster {
            name: name.into(),
            weight,
            ..WeightedCluster::default()
        };
        let clusters = WeightedClusters::new(vec![cluster("a", 9), cluster("b", 1)]).expect("some");
        let to_b = (0..1000)
            .filter(|random| clusters.pick(*random).name == "b")
            .count();
        assert_eq!(to_b, 100);
        assert!(WeightedClusters::new(vec![cluster("a", 0)]).is_none());
    }

    /// Numbers that look random, the same each time (splitmix64).
    fn draws(count: u64) -> impl Iterator<Item = u64> {
        (1..=count).map(|step| {
            let mut bits = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ (bits >> 31)
        })
    }

    #[test]
    fn ninety_to_ten_holds_over_ten_thousand_requests() {
        let cluster = |name: &str, weight| WeightedCluster {
            name: name.into(),
            weight,
            ..WeightedCluster::default()
        };
        let clusters =
            WeightedClusters::new(vec![cluster("a", 90), cluster("b", 10)]).expect("some");
        let to_b = draws(10_000).filter(|random| clusters.pick(*random).name == "b");
        let to_b = to_b.count();
        // 3.3 standard deviations: 3.3 * sqrt(10,000 * 0.9 * 0.1) = 99.
        assert!(to_b.abs_diff(1000) <= 99, "{to_b}");
    }
}
