//! Numbers of gRPC methods: which methods have their own, and the numbers once they are asked for.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use ferromesh_types::Str;

use crate::stats::{GrpcStats, GrpcTimeStats, Stats};

/// Groups of numbers that one filter makes at most: clients make up names of methods, and must not
/// fill the memory with them.
const MOST_GROUPS: usize = 1000;

/// Which methods have numbers of their own.
#[derive(Clone, Debug)]
pub enum GrpcMethods {
    /// None: all of a cluster are counted together.
    Merged,
    /// These, by service and method.
    Listed(HashSet<(Str, Str)>),
    /// Every one.
    All,
}

/// The filter that counts gRPC requests by cluster and method.
#[derive(Debug)]
pub struct GrpcStatsFilter {
    /// Which methods have numbers of their own.
    pub methods: GrpcMethods,
    /// Whether the time of the endpoints is measured.
    pub times: bool,
    /// Whether dots in names of services are written as underscores.
    pub replace_dots: bool,
    /// Where the numbers are kept.
    pub stats: Stats,
    /// The numbers by their prefix.
    pub groups: Mutex<HashMap<String, MethodStats>>,
}

/// The numbers of a method, or of a cluster's methods together.
#[derive(Clone, Debug)]
pub struct MethodStats {
    /// Counters.
    pub counted: GrpcStats,
    /// Times, where they are measured.
    pub times: Option<GrpcTimeStats>,
}

impl GrpcStatsFilter {
    /// The numbers for requests to a path of a cluster; `None` for new names beyond the bound.
    pub fn of(&self, cluster: &str, path: &str) -> Option<MethodStats> {
        let prefix = self.prefix(cluster, path);
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = groups.get(&prefix) {
            return Some(known.clone());
        }
        if groups.len() >= MOST_GROUPS {
            return None;
        }
        let times = self.times.then(|| GrpcTimeStats::new(&self.stats, &prefix));
        let made = MethodStats {
            counted: GrpcStats::new(&self.stats, &prefix),
            times,
        };
        groups.insert(prefix, made.clone());
        Some(made)
    }

    fn prefix(&self, cluster: &str, path: &str) -> String {
        let together = || format!("cluster.{cluster}.grpc.");
        let path = path.split('?').next().unwrap_or_default();
        let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let Some((service, method)) = named.filter(|(_, method)| !method.contains('/')) else {
            return together();
        };
        let has_own = match &self.methods {
            GrpcMethods::Merged => false,
            GrpcMethods::All => true,
            GrpcMethods::Listed(list) => list.contains(&(service.into(), method.into())),
        };
        if !has_own {
            return together();
        }
        if self.replace_dots {
            let service = service.replace('.', "_");
            return format!("cluster.{cluster}.grpc.{service}.{method}.");
        }
        format!("cluster.{cluster}.grpc.{service}.{method}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(methods: GrpcMethods, paths: &[&str]) -> Vec<String> {
        let filter = GrpcStatsFilter {
            methods,
            times: false,
            replace_dots: false,
            stats: Stats::new(1),
            groups: Mutex::default(),
        };
        let prefix = |path: &&str| filter.prefix("c", path);
        paths.iter().map(prefix).collect()
    }

    #[test]
    fn only_listed_methods_have_numbers_of_their_own() {
        let list = HashSet::from([("a.B".into(), "Get".into())]);
        assert_eq!(
            prefixes(GrpcMethods::Listed(list), &["/a.B/Get", "/a.B/Put", "/x"]),
            [
                "cluster.c.grpc.a.B.Get.",
                "cluster.c.grpc.",
                "cluster.c.grpc."
            ]
        );
        assert_eq!(
            prefixes(GrpcMethods::All, &["/a.B/Put?q", "/a/b/c"]),
            ["cluster.c.grpc.a.B.Put.", "cluster.c.grpc."]
        );
    }

    #[test]
    fn names_that_clients_make_up_are_bounded() {
        let filter = GrpcStatsFilter {
            methods: GrpcMethods::All,
            times: true,
            replace_dots: true,
            stats: Stats::new(1),
            groups: Mutex::default(),
        };
        let made = (0..2 * MOST_GROUPS).filter(|n| filter.of("c", &format!("/s.t/{n}")).is_some());
        assert_eq!(made.count(), MOST_GROUPS);
        let samples = filter.stats.samples();
        let mut names = samples.iter().map(|sample| sample.name.as_str());
        assert!(names.any(|name| name == "cluster.c.grpc.s_t.0.success"));
    }
}
