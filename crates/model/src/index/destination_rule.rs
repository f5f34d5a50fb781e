//! DestinationRules: merged per host, looked up for a client and a service.
//!
//! Rules of one namespace for the same host, the same audience and the same clients are one rule:
//! subsets of all of them, the traffic policy of the oldest that has one. A client takes the first
//! of: its own namespace, the service's namespace, the root namespace; in each the most specific
//! host wins.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ferromesh_config::kind::destination_rule::{DestinationRule, LocalityLbSetting, TrafficPolicy};
use ferromesh_registry::Visibility;
use ferromesh_types::{Hostname, Labels, Namespace, ResourceKey, Selector, Str};

use crate::declared::Declared;

/// A rule for one host, merged from the objects of one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedRule {
    /// The oldest of the objects.
    pub key: ResourceKey,
    /// All the objects, oldest first.
    pub sources: Vec<ResourceKey>,
    /// The host as a full name, perhaps a wildcard.
    pub host: Hostname,
    /// Who may see it.
    pub visibility: Visibility,
    /// The clients that it is for; they must be in the rule's namespace.
    pub clients: Option<Selector>,
    /// What it says.
    pub spec: Arc<DestinationRule>,
}

impl MergedRule {
    /// Whether the rule is for every client.
    fn is_for(&self, labels: &Labels, in_own_namespace: bool) -> bool {
        self.clients
            .as_ref()
            .is_none_or(|clients| in_own_namespace && clients.matches(labels))
    }

    /// Whether endpoints near the client are preferred (failover or distribution by locality).
    pub fn prefers_locality(&self) -> bool {
        let near = |policy: &TrafficPolicy| {
            policy.outlier_detection.is_some()
                || policy
                    .load_balancer
                    .as_ref()
                    .is_some_and(|lb| lb.locality_lb_setting.is_some())
                || policy.port_level_settings.iter().any(|port| {
                    port.outlier_detection.is_some()
                        || port
                            .load_balancer
                            .as_ref()
                            .is_some_and(|lb| lb.locality_lb_setting.is_some())
                })
        };
        self.policies().any(near)
    }

    /// Labels of the client that the rule reads: by its selector and by `failoverPriority`.
    pub fn client_labels(&self) -> BTreeSet<Str> {
        let mut keys: BTreeSet<Str> = self
            .clients
            .iter()
            .flat_map(|clients| clients.0.iter().map(|(key, _)| key.clone()))
            .collect();
        for policy in self.policies() {
            let ports = policy
                .port_level_settings
                .iter()
                .filter_map(|p| p.load_balancer.as_ref());
            for lb in policy.load_balancer.iter().chain(ports) {
                keys.extend(lb.locality_lb_setting.iter().flat_map(priority_labels));
            }
        }
        keys
    }

    /// Whether it limits connections: the servers' side obeys as well.
    pub(crate) fn limits_connections(&self) -> bool {
        self.policies().any(|policy| {
            policy.connection_pool.is_some()
                || policy
                    .port_level_settings
                    .iter()
                    .any(|port| port.connection_pool.is_some())
        })
    }

    fn policies(&self) -> impl Iterator<Item = &TrafficPolicy> {
        self.spec.traffic_policy.iter().chain(
            self.spec
                .subsets
                .iter()
                .filter_map(|subset| subset.traffic_policy.as_ref()),
        )
    }
}

/// The label keys in `failoverPriority` (`key` or `key=value`).
pub(crate) fn priority_labels(setting: &LocalityLbSetting) -> impl Iterator<Item = Str> {
    setting
        .failover_priority
        .iter()
        .map(|entry| Str::from(entry.split('=').next().unwrap_or_default()))
}

/// The rules of one namespace, by exact host and by wildcard.
#[derive(Clone, Debug, Default)]
struct NamespaceRules {
    exact: HashMap<Hostname, Vec<Arc<MergedRule>>>,
    /// Longest first.
    wildcard: Vec<(Hostname, Vec<Arc<MergedRule>>)>,
}

impl NamespaceRules {
    /// The rules for the most specific host that stands for `host`.
    fn of_host(&self, host: &Hostname) -> &[Arc<MergedRule>] {
        if let Some(rules) = self.exact.get(host) {
            return rules;
        }
        self.wildcard
            .iter()
            .find(|(pattern, _)| host.is_covered_by(pattern))
            .map_or(&[], |(_, rules)| rules.as_slice())
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<MergedRule>> {
        self.exact
            .values()
            .chain(self.wildcard.iter().map(|(_, rules)| rules))
            .flatten()
    }
}

/// All DestinationRules.
#[derive(Clone, Debug, Default)]
pub struct DestinationRuleIndex {
    objects: BTreeMap<ResourceKey, Declared<DestinationRule>>,
    by_namespace: HashMap<Namespace, Arc<NamespaceRules>>,
}

/// What names and defaults of the mesh the index needs.
#[derive(Clone, Debug)]
pub(crate) struct RuleDefaults<'a> {
    pub(crate) domain: &'a str,
    pub(crate) visibility: &'a Visibility,
}

impl DestinationRuleIndex {
    /// Replaces the object under `key` and merges its namespace anew.
    pub(crate) fn replace(
        &mut self,
        key: &ResourceKey,
        object: Option<Declared<DestinationRule>>,
        defaults: &RuleDefaults<'_>,
    ) {
        match object {
            Some(object) => self.objects.insert(key.clone(), object),
            None => self.objects.remove(key),
        };
        self.merge_namespace(&key.namespace, defaults);
    }

    /// Merges all namespaces anew, after the mesh's defaults changed.
    pub(crate) fn rebuild(&mut self, defaults: &RuleDefaults<'_>) {
        let namespaces: BTreeSet<_> = self
            .objects
            .keys()
            .map(|key| key.namespace.clone())
            .collect();
        for namespace in namespaces {
            self.merge_namespace(&namespace, defaults);
        }
    }

    fn merge_namespace(&mut self, namespace: &Namespace, defaults: &RuleDefaults<'_>) {
        let mut own: Vec<_> = self
            .objects
            .values()
            .filter(|object| object.namespace() == namespace)
            .collect();
        own.sort_by(|a, b| a.precedence(b));
        let mut merged: Vec<MergedRule> = Vec::new();
        let mut place: HashMap<(Hostname, Option<Selector>, Visibility), usize> = HashMap::new();
        for object in own {
            let rule = single(object, defaults);
            let group = (
                rule.host.clone(),
                rule.clients.clone(),
                rule.visibility.clone(),
            );
            match place.get(&group) {
                Some(&at) => absorb(&mut merged[at], rule),
                None => {
                    place.insert(group, merged.len());
                    merged.push(rule);
                }
            }
        }
        if merged.is_empty() {
            self.by_namespace.remove(namespace);
        } else {
            self.by_namespace
                .insert(namespace.clone(), Arc::new(arrange(merged)));
        }
    }

    /// The rule that a client in `namespace` with `labels` uses towards `host`, a service declared
    /// in `service_namespace`.
    pub fn lookup(
        &self,
        namespace: Option<&Namespace>,
        labels: &Labels,
        root: &Namespace,
        host: &Hostname,
        service_namespace: &Namespace,
    ) -> Option<&Arc<MergedRule>> {
        // A client in the root namespace does not prefer the rules there: they are everybody's.
        if let Some(own) = namespace.filter(|namespace| *namespace != root)
            && let Some(rule) = self.first(own, host, |rule| {
                rule.visibility.reaches(own) && rule.is_for(labels, true)
            })
        {
            return Some(rule);
        }
        let seen = |rule: &MergedRule| match namespace {
            Some(namespace) => rule.visibility.reaches(namespace),
            None => rule.visibility.is_public(),
        };
        [service_namespace, root].into_iter().find_map(|home| {
            let own = namespace == Some(home);
            self.first(home, host, |rule| seen(rule) && rule.is_for(labels, own))
        })
    }

    /// The first of the rules for the most specific host in `home` that `fits`; one that selects
    /// its clients goes before one for all.
    fn first(
        &self,
        home: &Namespace,
        host: &Hostname,
        fits: impl Fn(&MergedRule) -> bool,
    ) -> Option<&Arc<MergedRule>> {
        let rules = self.by_namespace.get(home)?.of_host(host);
        rules
            .iter()
            .find(|rule| rule.clients.is_some() && fits(rule))
            .or_else(|| {
                rules
                    .iter()
                    .find(|rule| rule.clients.is_none() && fits(rule))
            })
    }

    /// All merged rules, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<MergedRule>> {
        self.by_namespace.values().flat_map(|rules| rules.iter())
    }

    /// The merged rules of a namespace, in no particular order.
    pub fn of_namespace(&self, namespace: &Namespace) -> impl Iterator<Item = &Arc<MergedRule>> {
        self.by_namespace
            .get(namespace)
            .into_iter()
            .flat_map(|rules| rules.iter())
    }
}

fn single(object: &Declared<DestinationRule>, defaults: &RuleDefaults<'_>) -> MergedRule {
    let home = object.namespace();
    MergedRule {
        key: object.key.clone(),
        sources: vec![object.key.clone()],
        host: object.spec.host.expand(home, defaults.domain),
        visibility: Visibility::parse(
            object.spec.export_to.iter().map(Str::as_str),
            home,
            defaults.visibility,
        ),
        clients: object
            .spec
            .workload_selector
            .as_ref()
            .map(|s| s.match_labels.clone()),
        spec: object.spec.clone(),
    }
}

/// Adds a younger rule: its subsets that are new, its policy if there was none.
fn absorb(rule: &mut MergedRule, younger: MergedRule) {
    rule.sources.extend(younger.sources);
    let spec = Arc::make_mut(&mut rule.spec);
    for subset in &younger.spec.subsets {
        if !spec.subsets.iter().any(|known| known.name == subset.name) {
            spec.subsets.push(subset.clone());
        }
    }
    if spec.traffic_policy.is_none() {
        spec.traffic_policy.clone_from(&younger.spec.traffic_policy);
    }
}

fn arrange(merged: Vec<MergedRule>) -> NamespaceRules {
    let mut rules = NamespaceRules::default();
    let mut wildcard: BTreeMap<Hostname, Vec<Arc<MergedRule>>> = BTreeMap::new();
    for rule in merged {
        let list = if rule.host.is_wildcard() {
            wildcard.entry(rule.host.clone()).or_default()
        } else {
            rules.exact.entry(rule.host.clone()).or_default()
        };
        list.push(Arc::new(rule));
    }
    rules.wildcard = wildcard.into_iter().collect();
    rules
        .wildcard
        .sort_by_key(|(host, _)| std::cmp::Reverse(host.as_str().len()));
    rules
}
