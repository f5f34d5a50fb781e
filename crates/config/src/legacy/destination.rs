//! What is known of each destination, and the objects that it amounts to.

use ferromesh_types::Str;
use serde_json::{Value, json};

use super::subset::{Tags, subset_name};
use super::{destination_policy, route_rule};
use crate::check::Finding;

/// Destinations, in the order of their first mention.
#[derive(Debug, Default)]
pub(super) struct Destinations(Vec<Destination>);

/// A service that is called.
#[derive(Debug)]
pub(super) struct Destination {
    host: Str,
    namespace: Str,
    rules: Vec<Rule>,
    traffic_policy: Option<Value>,
    subsets: Vec<Subset>,
    /// Subsets that its rules name of other destinations.
    elsewhere: Vec<(Str, Tags)>,
}

#[derive(Debug)]
struct Rule {
    precedence: i64,
    http: Value,
    matches_all: bool,
}

#[derive(Debug)]
struct Subset {
    tags: Tags,
    traffic_policy: Option<Value>,
}

impl Destinations {
    /// The destination `host`, as a document in `namespace` calls it.
    pub(super) fn of(&mut self, host: &Str, namespace: &Str) -> &mut Destination {
        let namespace = match (namespace_of(host), namespace.as_str()) {
            (Some(own), _) => Str::from(own),
            (None, "") => Str::from("default"),
            (None, _) => namespace.clone(),
        };
        let known = |it: &Destination| it.host == *host && it.namespace == namespace;
        let index = self.0.iter().position(known).unwrap_or_else(|| {
            self.0.push(Destination {
                host: host.clone(),
                namespace,
                rules: Vec::new(),
                traffic_policy: None,
                subsets: Vec::new(),
                elsewhere: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    /// The objects of all destinations.
    pub(super) fn objects(mut self) -> Vec<Value> {
        let elsewhere: Vec<(Str, Tags, Str)> = self
            .0
            .iter_mut()
            .flat_map(|it| {
                let namespace = it.namespace.clone();
                let named = std::mem::take(&mut it.elsewhere).into_iter();
                named.map(move |(host, tags)| (host, tags, namespace.clone()))
            })
            .collect();
        for (host, tags, namespace) in elsewhere {
            self.of(&host, &namespace).subset(tags);
        }
        self.0.into_iter().flat_map(Destination::objects).collect()
    }
}

/// The namespace in a full name, `catalog.shop.svc.cluster.local`.
fn namespace_of(host: &str) -> Option<&str> {
    let mut parts = host.split('.').skip(1);
    let namespace = parts.next()?;
    (parts.next() == Some("svc")).then_some(namespace)
}

impl Destination {
    /// Adds a rule.
    pub(super) fn add_rule(&mut self, precedence: i64, rule: route_rule::Converted) {
        for (host, tags) in rule.subsets {
            match host {
                Some(host) if host != self.host => self.elsewhere.push((host, tags)),
                _ => {
                    self.subset(tags);
                }
            }
        }
        let (http, matches_all) = (rule.http, rule.matches_all);
        self.rules.push(Rule {
            precedence,
            http,
            matches_all,
        });
    }

    /// Adds a policy; two for the same endpoints contradict each other.
    pub(super) fn add_policy(
        &mut self,
        policy: destination_policy::Converted,
        found: &mut Vec<Finding>,
    ) {
        let place = if policy.tags.is_empty() {
            &mut self.traffic_policy
        } else {
            &mut self.subset(policy.tags).traffic_policy
        };
        if place.replace(policy.traffic_policy).is_some() {
            let message = "an earlier policy is for the same endpoints; merge the two";
            found.push(Finding::error("spec.policy", message));
        }
    }

    fn subset(&mut self, tags: Tags) -> &mut Subset {
        let index = self
            .subsets
            .iter()
            .position(|it| it.tags == tags)
            .unwrap_or_else(|| {
                self.subsets.push(Subset {
                    tags,
                    traffic_policy: None,
                });
                self.subsets.len() - 1
            });
        &mut self.subsets[index]
    }

    fn objects(self) -> Vec<Value> {
        let name = self.host.split('.').next().unwrap_or_default().to_owned();
        let object = |kind: &str, spec: Value| {
            json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": kind,
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": spec,
            })
        };
        let mut objects = Vec::new();
        if !self.rules.is_empty() {
            let http = routes(self.rules, &self.host);
            objects.push(object(
                "VirtualService",
                json!({"hosts": [self.host], "http": http}),
            ));
        }
        if self.traffic_policy.is_some() || !self.subsets.is_empty() {
            let mut spec = json!({"host": self.host});
            if let Some(policy) = self.traffic_policy {
                spec["trafficPolicy"] = policy;
            }
            if !self.subsets.is_empty() {
                spec["subsets"] = self.subsets.into_iter().map(Subset::spec).collect();
            }
            objects.push(object("DestinationRule", spec));
        }
        objects
    }
}

/// The entries of `http`: higher precedence first, and at the end one for all other requests.
fn routes(mut rules: Vec<Rule>, host: &Str) -> Vec<Value> {
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.precedence));
    let complete = rules.iter().any(|rule| rule.matches_all);
    let rest = json!({"route": [{"destination": {"host": host}}]});
    let rest = (!complete).then_some(rest);
    rules
        .into_iter()
        .map(|rule| rule.http)
        .chain(rest)
        .collect()
}

impl Subset {
    fn spec(self) -> Value {
        let mut spec = json!({"name": subset_name(&self.tags), "labels": self.tags});
        if let Some(policy) = self.traffic_policy {
            spec["trafficPolicy"] = policy;
        }
        spec
    }
}
