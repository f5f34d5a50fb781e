//! Endpoint assignments: kept by name, compiled for every cluster that uses them.

use std::sync::Arc;

use ferromesh_types::Str;

use super::live::{Live, decode};
use super::slot::{Received, Slot};
use crate::compiled::{Cluster, Discovery};
use crate::xds::{Refusal, eds};

impl Live {
    /// Accepts an assignment: every cluster that uses it gets its endpoints at once, without a new
    /// generation of config.
    pub(super) fn assignment(&mut self, name: Str, received: Received) -> Result<(), Refusal> {
        for cluster in self.users_of(&name) {
            compile_into(&cluster, &received)?;
        }
        self.assignments.insert(name, received);
        Ok(())
    }

    /// Gives a new version of a cluster the endpoints that are known already.
    pub(super) fn fill_from_assignment(&mut self, name: &str) {
        let Some(slot) = self.clusters.get(name) else {
            return;
        };
        let Some(newest) = slot.newest() else {
            return;
        };
        let cluster = &newest.value;
        let before = slot.active.as_ref().map(|active| &active.value);
        let retiring = self.retiring.get(name).map(|(cluster, _)| cluster);
        if let Some(before) = before.or(retiring) {
            carry_over(before, cluster);
        }
        let Discovery::Eds { service_name } = &cluster.discovery else {
            return;
        };
        if let Some(received) = self.assignments.get(service_name) {
            // The same bytes compiled before, for the version of the cluster before this one.
            let _ = compile_into(cluster, received);
        }
    }

    fn users_of(&self, assignment: &str) -> Vec<Arc<Cluster>> {
        let uses = |cluster: &&Arc<Cluster>| matches!(&cluster.discovery, Discovery::Eds { service_name } if *service_name == *assignment);
        // Nearly always the assignment is named after its cluster.
        let direct = self.clusters.get(assignment);
        let mut users: Vec<Arc<Cluster>> = direct
            .into_iter()
            .flat_map(|slot| slot.versions().map(|version| &version.value))
            .filter(uses)
            .cloned()
            .collect();
        if users.is_empty() {
            let all = self.clusters.values().flat_map(Slot::versions);
            users = all
                .map(|version| &version.value)
                .filter(uses)
                .cloned()
                .collect();
        }
        let retiring = self.retiring.values().map(|(cluster, _)| cluster);
        users.extend(retiring.filter(uses).cloned());
        users
    }
}

/// The endpoints of the version in force serve the new one until its own come; counters go on.
fn carry_over(old: &Cluster, new: &Cluster) {
    if new.awaits_endpoints() {
        new.endpoints.publish(old.endpoints.current());
    }
}

fn compile_into(cluster: &Cluster, received: &Received) -> Result<(), Refusal> {
    let previous = cluster.endpoints.current();
    let message = decode(&received.body)?;
    let set = eds::compile(message, &received.version, cluster, Some(&previous))?;
    cluster.replace_endpoints(set);
    Ok(())
}
