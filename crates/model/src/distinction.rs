//! What tells proxies apart: which namespaces see a mesh of their own, and which properties of a
//! client some object reads.
//!
//! Without such objects all sidecars of the mesh share one outbound view. The facts here are
//! conservative: a namespace listed without need costs a view, one left out would show proxies the
//! wrong mesh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferromesh_registry::{Service, Visibility};
use ferromesh_types::{Namespace, Str};

use crate::index::destination_rule::{MergedRule, priority_labels};
use crate::snapshot::Indices;

/// The facts, all derived from the indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Distinction {
    /// Namespaces whose proxies see something that others do not, or see it differently.
    pub(crate) namespaces: BTreeSet<Namespace>,
    /// Labels that some object reads of every client.
    pub(crate) labels: BTreeSet<Str>,
    /// Labels that some object reads of the clients in its own namespace.
    pub(crate) labels_of: BTreeMap<Namespace, BTreeSet<Str>>,
    /// Whether a route matches on the client's namespace.
    pub(crate) reads_source_namespace: bool,
    /// Whether the client's locality changes its endpoints.
    pub(crate) reads_locality: bool,
}

/// The part that depends on services alone: recomputed only when services change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceDistinction {
    pub(crate) namespaces: BTreeSet<Namespace>,
    pub(crate) reads_locality: bool,
}

impl ServiceDistinction {
    /// Adds what the services of one host name contribute.
    pub(crate) fn add(&mut self, services: &[Arc<Service>]) {
        for service in services {
            add_audience(&mut self.namespaces, &service.visibility);
            self.reads_locality |= service.traffic_distribution.is_some();
        }
        if services.len() > 1 {
            // Each of these namespaces means its own service by the name.
            self.namespaces
                .extend(services.iter().map(|service| service.namespace.clone()));
        }
    }
}

impl Distinction {
    /// Derives the facts; `services` is what the services contribute.
    pub(crate) fn new(indices: &Indices, services: &ServiceDistinction) -> Self {
        let mut found = Self {
            namespaces: services.namespaces.clone(),
            reads_locality: services.reads_locality,
            ..Self::default()
        };
        for entry in indices.virtual_services.iter() {
            add_audience(&mut found.namespaces, &entry.visibility);
            found.labels.extend(entry.source_labels.iter().cloned());
            found.reads_source_namespace |= entry.reads_source_namespace;
        }
        for rule in indices.destination_rules.iter() {
            found.add_rule(indices, rule);
        }
        let mesh_setting = &indices.mesh.locality_lb_setting;
        found.labels.extend(priority_labels(mesh_setting));
        found.reads_locality |=
            !mesh_setting.distribute.is_empty() || !mesh_setting.failover.is_empty();
        found
    }

    fn add_rule(&mut self, indices: &Indices, rule: &MergedRule) {
        let home = &rule.key.namespace;
        add_audience(&mut self.namespaces, &rule.visibility);
        self.reads_locality |= rule.prefers_locality();
        if rule.clients.is_some() {
            self.namespaces.insert(home.clone());
        }
        let keys = rule.client_labels();
        if !keys.is_empty() {
            let of = if rule.clients.is_some() {
                self.labels_of.entry(home.clone()).or_default()
            } else {
                &mut self.labels
            };
            of.extend(keys);
        }
        // Clients at home meet the rule before that of the service's namespace, others do not.
        let services = indices.services.of_host(&rule.host);
        let about_home =
            !services.is_empty() && services.iter().all(|service| service.namespace == *home);
        if *home != indices.root && (rule.host.is_wildcard() || !about_home) {
            self.namespaces.insert(home.clone());
        }
    }

    /// The labels that are read of a client in `namespace`.
    pub(crate) fn labels_read<'a>(
        &'a self,
        namespace: &Namespace,
    ) -> impl Iterator<Item = &'a Str> {
        self.labels
            .iter()
            .chain(self.labels_of.get(namespace).into_iter().flatten())
    }
}

fn add_audience(namespaces: &mut BTreeSet<Namespace>, visibility: &Visibility) {
    if let Visibility::Only(named) = visibility {
        namespaces.extend(named.iter().cloned());
    }
}
