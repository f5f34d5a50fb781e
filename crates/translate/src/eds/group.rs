//! The endpoints of one cluster, grouped by locality and put in order of preference.

use std::collections::BTreeMap;

use ferromesh_config::kind::destination_rule::LocalityLbSetting;
use ferromesh_registry::Endpoint;
use ferromesh_types::{Labels, Locality};

use super::assignment::{Group, locality, member};
use super::priority;
use crate::value::number;

/// What the order of endpoints depends on.
#[derive(Clone, Copy)]
pub(crate) struct Preference<'a> {
    /// Where the client runs; empty if that makes no difference.
    pub(crate) place: &'a Locality,
    /// The client's labels, as far as rules read them.
    pub(crate) labels: &'a Labels,
    /// The setting in force.
    pub(crate) setting: Option<&'a LocalityLbSetting>,
    /// Whether far endpoints wait until near ones fail. That needs a way to notice failure.
    pub(crate) failover: bool,
}

/// Groups `endpoints`; `mutual_tls` tells per endpoint whether clients use it.
pub(crate) fn groups<'a>(
    endpoints: impl Iterator<Item = &'a Endpoint>,
    mutual_tls: impl Fn(&Endpoint) -> bool,
    preference: Preference<'_>,
) -> Vec<Group> {
    let order = preference.label_order();
    let mut sorted: BTreeMap<(&Locality, u32), Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        let distance = order.map_or(0, |order| {
            let here = (preference.place, preference.labels);
            priority::label_distance(order, here, (&endpoint.locality, &endpoint.labels))
        });
        sorted
            .entry((&endpoint.locality, distance))
            .or_default()
            .push(endpoint);
    }
    let places: Vec<(Locality, u32)> = sorted
        .iter()
        .map(|((place, _), members)| {
            let weight = members
                .iter()
                .map(|e| e.weight.max(1))
                .fold(0, u32::saturating_add);
            ((*place).clone(), weight)
        })
        .collect();
    let label_distances: Vec<u32> = sorted.keys().map(|(_, distance)| *distance).collect();
    let mut groups: Vec<Group> = sorted
        .into_iter()
        .zip(&places)
        .map(|(((place, _), members), (_, weight))| Group {
            locality: Some(locality(place)),
            members: members
                .into_iter()
                .map(|e| member(e, mutual_tls(e)))
                .collect(),
            weight: number(*weight),
            priority: 0,
        })
        .collect();
    preference.arrange(&mut groups, &places, &label_distances);
    groups
}

impl<'a> Preference<'a> {
    /// The labels that order endpoints, if that is how failover goes.
    fn label_order(&self) -> Option<&'a [ferromesh_types::Str]> {
        let setting = self.setting.filter(|_| self.failover)?;
        (!setting.failover_priority.is_empty() && setting.distribute.is_empty())
            .then_some(setting.failover_priority.as_slice())
    }

    fn arrange(&self, groups: &mut Vec<Group>, places: &[(Locality, u32)], by_label: &[u32]) {
        let Some(setting) = self.setting else { return };
        if !setting.distribute.is_empty() {
            self.distribute(groups, places, setting);
        } else if self.label_order().is_some() && setting.failover.is_empty() {
            set_priorities(groups, by_label);
        } else if self.failover && !self.place.is_empty() {
            let distances: Vec<u32> = places
                .iter()
                .zip(by_label)
                .map(|((there, _), label)| {
                    label * 5 + priority::distance(self.place, there, &setting.failover)
                })
                .collect();
            set_priorities(groups, &distances);
        }
    }

    fn distribute(
        &self,
        groups: &mut Vec<Group>,
        places: &[(Locality, u32)],
        setting: &LocalityLbSetting,
    ) {
        let Some(shares) = priority::shares(&setting.distribute, self.place, places) else {
            return;
        };
        for (group, share) in groups.iter_mut().zip(&shares) {
            group.weight = share.and_then(number);
        }
        let mut kept = shares.iter().map(Option::is_some);
        groups.retain(|_| kept.next().unwrap_or_default());
    }
}

fn set_priorities(groups: &mut [Group], distances: &[u32]) {
    for (group, priority) in groups.iter_mut().zip(priority::without_gaps(distances)) {
        group.priority = priority;
    }
}
