//! The resources of a proxy, compiled as the proxy compiles them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ferromesh_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use ferromesh_proxy::access_log::LogSinks;
use ferromesh_proxy::cluster::NameCaches;
use ferromesh_proxy::compiled::{Cluster, Config, Discovery, Listener, Listeners};
use ferromesh_proxy::stats::Stats;
use ferromesh_proxy::xds::{Compiler, Refusal, cds, eds, lds, rds};
use ferromesh_route::{ChainMatch, RouteTable};
use ferromesh_tls::SecretStore;
use ferromesh_types::Str;

use crate::resources::Resources;

/// What kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// A cluster.
    Cluster,
    /// Endpoints of a cluster.
    Endpoints,
    /// A listener.
    Listener,
    /// A route table.
    Routes,
}

/// A resource that the proxy refuses.
#[derive(Clone, Debug)]
pub struct RefusedResource {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name.
    pub name: Str,
    /// Why.
    pub refusal: Refusal,
}

impl fmt::Display for RefusedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ResourceKind::Cluster => "cluster",
            ResourceKind::Endpoints => "endpoints of",
            ResourceKind::Listener => "listener",
            ResourceKind::Routes => "routes",
        };
        write!(f, "{kind} {}: {}", self.name, self.refusal)
    }
}

/// A proxy with its config in force.
#[derive(Debug)]
pub struct Plane {
    pub(crate) config: Config,
    /// What the chains of each listener ask, for explanations.
    pub(crate) chain_matches: HashMap<Str, Vec<ChainMatch>>,
    refused: Vec<RefusedResource>,
    notices: Vec<String>,
}

impl Plane {
    /// Compiles everything; what is refused is left out and reported by [`Self::refused`].
    pub fn compile(resources: Resources) -> Self {
        let mut maker = Maker {
            compiler: Compiler {
                stats: Stats::new(1),
                secrets: SecretStore::new(),
                sinks: Arc::new(LogSinks::default()),
                names: NameCaches::default(),
            },
            refused: Vec::new(),
            notices: Vec::new(),
        };
        let mut assignments: HashMap<Str, ClusterLoadAssignment> = resources
            .endpoints
            .into_iter()
            .map(|assignment| (Str::from(assignment.cluster_name.as_str()), assignment))
            .collect();
        let mut clusters = HashMap::new();
        for each in resources.clusters {
            if let Some(cluster) = maker.cluster(each, &mut assignments) {
                clusters.insert(cluster.name.clone(), Arc::new(cluster));
            }
        }
        let mut chain_matches = HashMap::new();
        let mut listeners = Vec::new();
        for each in resources.listeners {
            if let Ok(matches) = lds::chain_matches(&each) {
                chain_matches.insert(Str::from(each.name.as_str()), matches);
            }
            listeners.extend(maker.listener(each).map(Arc::new));
        }
        let mut routes = HashMap::new();
        for each in resources.routes {
            let name = Str::from(each.name.as_str());
            match rds::compile(each, "") {
                Ok(table) => {
                    routes.insert(name, Arc::new(table));
                }
                Err(refusal) => maker.refuse(ResourceKind::Routes, name, refusal),
            }
        }
        Self {
            config: Config {
                listeners: Listeners::new(listeners),
                clusters,
                routes,
                ..Config::default()
            },
            chain_matches,
            refused: maker.refused,
            notices: maker.notices,
        }
    }

    /// What the proxy would refuse.
    pub fn refused(&self) -> &[RefusedResource] {
        &self.refused
    }

    /// What the proxy accepts although it has no effect there; each sentence once.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.config.cluster(name)
    }

    /// All clusters, in no particular order.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.config.clusters.values()
    }

    /// All listeners, by name.
    pub fn listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.config.listeners.iter()
    }

    /// The route table of that name.
    pub fn route_table(&self, name: &str) -> Option<&Arc<RouteTable>> {
        self.config.routes.get(name)
    }
}

struct Maker {
    compiler: Compiler,
    refused: Vec<RefusedResource>,
    notices: Vec<String>,
}

impl Maker {
    fn refuse(&mut self, kind: ResourceKind, name: Str, refusal: Refusal) {
        self.refused.push(RefusedResource {
            kind,
            name,
            refusal,
        });
    }

    fn note(&mut self, notices: Vec<String>) {
        for notice in notices {
            if !self.notices.contains(&notice) {
                self.notices.push(notice);
            }
        }
    }

    fn cluster(
        &mut self,
        value: ferromesh_proto::envoy::config::cluster::v3::Cluster,
        assignments: &mut HashMap<Str, ClusterLoadAssignment>,
    ) -> Option<Cluster> {
        let name = Str::from(value.name.as_str());
        let compiled = match cds::compile(value, &self.compiler) {
            Ok(compiled) => compiled,
            Err(refusal) => {
                self.refuse(ResourceKind::Cluster, name, refusal);
                return None;
            }
        };
        self.note(compiled.notices);
        let cluster = compiled.value;
        if let Discovery::Eds { service_name } = &cluster.discovery
            && let Some(assignment) = assignments.remove(service_name)
        {
            match eds::compile(assignment, "", &cluster, None) {
                Ok(set) => cluster.replace_endpoints(set),
                Err(refusal) => self.refuse(ResourceKind::Endpoints, name, refusal),
            }
        }
        Some(cluster)
    }

    fn listener(
        &mut self,
        value: ferromesh_proto::envoy::config::listener::v3::Listener,
    ) -> Option<Listener> {
        let name = Str::from(value.name.as_str());
        match lds::compile(value, &self.compiler) {
            Ok(compiled) => {
                self.note(compiled.notices);
                Some(compiled.value)
            }
            Err(refusal) => {
                self.refuse(ResourceKind::Listener, name, refusal);
                None
            }
        }
    }
}
