//! What the aggregated stream is asked for, as a consequence of what was accepted.

use std::collections::{BTreeMap, BTreeSet};

use ferromesh_proto::type_url;
use ferromesh_types::Str;
use ferromesh_xds::client::Command;

use super::live::Live;
use super::slot::Slot;
use crate::compiled::Discovery;

/// The names subscribed to, by type.
#[derive(Debug, Default)]
pub struct Subscriptions {
    names: BTreeMap<&'static str, BTreeSet<Str>>,
}

impl Subscriptions {
    /// Makes `wanted` the names of a type; gives the command that says so, if anything changed.
    fn change(&mut self, kind: &'static str, wanted: BTreeSet<Str>) -> Option<Command> {
        let present = self.names.entry(kind).or_default();
        let add: Vec<String> = wanted
            .difference(present)
            .map(|n| n.as_str().to_owned())
            .collect();
        let remove: Vec<String> = present
            .difference(&wanted)
            .map(|n| n.as_str().to_owned())
            .collect();
        *present = wanted;
        (!add.is_empty() || !remove.is_empty()).then(|| Command::Subscribe {
            type_url: kind.to_owned(),
            add,
            remove,
        })
    }
}

impl Live {
    /// The commands that bring the subscriptions in line with what was accepted, in the order that
    /// xDS wants: endpoints, routes, secrets.
    pub fn subscribe(&mut self) -> Vec<Command> {
        let endpoints = self.endpoint_names();
        let routes = self.route_names();
        let secrets = self.secret_names();
        self.assignments.retain(|name, _| endpoints.contains(name));
        self.routes.retain(|name, _| routes.contains(name));
        let wanted = [
            (type_url::ENDPOINT, endpoints),
            (type_url::ROUTE, routes),
            (type_url::SECRET, secrets),
        ];
        let subscriptions = &mut self.subscriptions;
        wanted
            .into_iter()
            .filter_map(|(kind, names)| subscriptions.change(kind, names))
            .collect()
    }

    fn endpoint_names(&self) -> BTreeSet<Str> {
        let versions = self.clusters.values().flat_map(Slot::versions);
        versions
            .filter_map(|version| match &version.value.discovery {
                Discovery::Eds { service_name } => Some(service_name.clone()),
                _ => None,
            })
            .collect()
    }

    fn route_names(&self) -> BTreeSet<Str> {
        let versions = self.listeners.values().flat_map(Slot::versions);
        versions
            .flat_map(|version| version.value.route_names.iter().cloned())
            .collect()
    }

    fn secret_names(&self) -> BTreeSet<Str> {
        let of_clusters = self
            .clusters
            .values()
            .flat_map(Slot::versions)
            .flat_map(|version| version.ads_secrets.iter().cloned());
        let of_listeners = self
            .listeners
            .values()
            .flat_map(Slot::versions)
            .flat_map(|version| version.ads_secrets.iter().cloned());
        of_clusters.chain(of_listeners).collect()
    }
}
