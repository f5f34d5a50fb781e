//! The objects that the registry reads, and which services each of them can concern.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ferromesh_config::{Object, Spec};
use ferromesh_types::{Hostname, Locality, Namespace, ResourceKey, Str};

use super::{Dirty, ObjectChange, Registry};
use crate::service::Alias;
use crate::source::{endpoint_slice, kubernetes_service, node};
use crate::{RegistryChange, ServiceKey};

/// Namespace and name.
pub(super) type ObjectKey = (Namespace, Str);

/// The objects that declare one service.
#[derive(Debug, Default)]
pub(super) struct Declarers {
    /// A Kubernetes Service.
    pub(super) service: Option<Arc<Object>>,
    /// ServiceEntries.
    pub(super) entries: BTreeMap<Str, Arc<Object>>,
}

/// All objects that the registry reads, apart from workloads.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) declarers: HashMap<ServiceKey, Declarers>,
    pub(super) endpoints: BTreeMap<ObjectKey, Arc<Object>>,
    /// By the service that they belong to.
    pub(super) slices: HashMap<ObjectKey, BTreeMap<Str, Arc<Object>>>,
    pub(super) nodes: HashMap<Str, (Arc<Object>, Locality)>,
    /// By the host that they stand for.
    pub(super) aliases: HashMap<Hostname, BTreeSet<Alias>>,
    /// Pods and WorkloadEntries.
    pub(super) workloads: BTreeMap<ResourceKey, Arc<Object>>,
}

impl Objects {
    /// All objects, each once, nodes first.
    pub(super) fn into_objects(self) -> Vec<Arc<Object>> {
        let mut entries: BTreeMap<ResourceKey, Arc<Object>> = BTreeMap::new();
        let mut services = Vec::new();
        for declarers in self.declarers.into_values() {
            services.extend(declarers.service);
            for object in declarers.entries.into_values() {
                entries.insert(object.key.clone(), object);
            }
        }
        let nodes = self.nodes.into_values().map(|(object, _)| object);
        nodes
            .chain(self.workloads.into_values())
            .chain(services)
            .chain(entries.into_values())
            .chain(self.endpoints.into_values())
            .chain(self.slices.into_values().flat_map(BTreeMap::into_values))
            .collect()
    }
}

impl Registry {
    /// Takes in one changed object.
    pub(super) fn take_in(
        &mut self,
        object: &ObjectChange<'_>,
        dirty: &mut Dirty,
        change: &mut RegistryChange,
    ) {
        let Some(subject) = object.object() else {
            return;
        };
        match &subject.spec {
            Spec::Service(_) => self.take_service(object, dirty),
            Spec::ServiceEntry(_) => self.take_service_entry(object, dirty),
            Spec::Pod(_) | Spec::WorkloadEntry(_) => self.take_workload(object, dirty, change),
            Spec::Node(_) => self.take_node(object, dirty, change),
            Spec::Endpoints(_) => {
                let key = (subject.key.namespace.clone(), subject.key.name.clone());
                dirty.endpoints.insert(self.kubernetes_key(&key.0, &key.1));
                match object.new {
                    Some(new) => self.objects.endpoints.insert(key, new.clone()),
                    None => self.objects.endpoints.remove(&key),
                };
            }
            Spec::EndpointSlice(_) => self.take_slice(object, dirty),
            _ => {}
        }
    }

    /// The key of the Kubernetes Service of this name.
    pub(super) fn kubernetes_key(&self, namespace: &Namespace, name: &Str) -> ServiceKey {
        let hostname = format!("{name}.{namespace}.svc.{}", self.settings.domain);
        ServiceKey {
            hostname: Hostname::from(hostname),
            namespace: namespace.clone(),
        }
    }

    fn take_service(&mut self, object: &ObjectChange<'_>, dirty: &mut Dirty) {
        let Some(subject) = object.object() else {
            return;
        };
        let key = self.kubernetes_key(&subject.key.namespace, &subject.key.name);
        let declarers = self.objects.declarers.entry(key.clone()).or_default();
        let old = std::mem::replace(&mut declarers.service, object.new.cloned());
        if declarers.service.is_none() && declarers.entries.is_empty() {
            self.objects.declarers.remove(&key);
        }
        let before = old.and_then(|old| self.alias_of(&old));
        let after = object.new.and_then(|new| self.alias_of(new));
        if before != after {
            let alias = Alias {
                hostname: key.hostname.clone(),
                namespace: key.namespace.clone(),
            };
            self.move_alias(&alias, before, after, dirty);
        }
        // Endpoints follow: members depend on the selector and on whether unready ones count.
        dirty.endpoints.insert(key.clone());
        dirty.services.insert(key);
    }

    fn alias_of(&self, object: &Object) -> Option<Hostname> {
        let Spec::Service(spec) = &object.spec else {
            return None;
        };
        kubernetes_service::service(object, spec, &self.settings).alias_of
    }

    /// Notes that a name stands for another host now. The services of both hosts list it.
    fn move_alias(
        &mut self,
        alias: &Alias,
        before: Option<Hostname>,
        after: Option<Hostname>,
        dirty: &mut Dirty,
    ) {
        if let Some(target) = &before
            && let Some(known) = self.objects.aliases.get_mut(target)
        {
            known.remove(alias);
            if known.is_empty() {
                self.objects.aliases.remove(target);
            }
        }
        if let Some(target) = &after {
            self.objects
                .aliases
                .entry(target.clone())
                .or_default()
                .insert(alias.clone());
        }
        let targets: Vec<_> = before.into_iter().chain(after).collect();
        let declared = self.objects.declarers.keys();
        dirty.services.extend(
            declared
                .filter(|key| targets.contains(&key.hostname))
                .cloned(),
        );
    }

    fn take_service_entry(&mut self, object: &ObjectChange<'_>, dirty: &mut Dirty) {
        let Some(subject) = object.object() else {
            return;
        };
        let name = &subject.key.name;
        for key in object
            .old
            .into_iter()
            .flat_map(|old| service_entry_keys(old))
        {
            if let Some(declarers) = self.objects.declarers.get_mut(&key) {
                declarers.entries.remove(name);
                if declarers.service.is_none() && declarers.entries.is_empty() {
                    self.objects.declarers.remove(&key);
                }
            }
            dirty.endpoints.insert(key.clone());
            dirty.services.insert(key);
        }
        for (key, new) in object
            .new
            .into_iter()
            .flat_map(|new| service_entry_keys(new).map(move |k| (k, new)))
        {
            let declarers = self.objects.declarers.entry(key.clone()).or_default();
            declarers.entries.insert(name.clone(), new.clone());
            dirty.endpoints.insert(key.clone());
            dirty.services.insert(key);
        }
    }

    fn take_slice(&mut self, object: &ObjectChange<'_>, dirty: &mut Dirty) {
        for (slice, put) in object
            .old
            .map(|o| (o, false))
            .into_iter()
            .chain(object.new.map(|n| (n, true)))
        {
            let Some(service) = slice.meta.labels.get(endpoint_slice::SERVICE_NAME) else {
                continue;
            };
            let key = (slice.key.namespace.clone(), service.clone());
            dirty.endpoints.insert(self.kubernetes_key(&key.0, &key.1));
            let slices = self.objects.slices.entry(key.clone()).or_default();
            if put {
                slices.insert(slice.key.name.clone(), slice.clone());
            } else {
                slices.remove(&slice.key.name);
            }
            if slices.is_empty() {
                self.objects.slices.remove(&key);
            }
        }
    }

    fn take_node(
        &mut self,
        object: &ObjectChange<'_>,
        dirty: &mut Dirty,
        change: &mut RegistryChange,
    ) {
        let Some(subject) = object.object() else {
            return;
        };
        let name = subject.key.name.clone();
        let before = self.node_locality(&name);
        match object.new {
            Some(new) => {
                let locality = node::locality(&new.meta.labels);
                self.objects
                    .nodes
                    .insert(name.clone(), (new.clone(), locality));
            }
            None => {
                self.objects.nodes.remove(&name);
            }
        }
        if before == self.node_locality(&name) {
            return;
        }
        let pods: Vec<Arc<Object>> = self
            .objects
            .workloads
            .values()
            .filter(|object| matches!(&object.spec, Spec::Pod(pod) if pod.spec.node_name == name))
            .cloned()
            .collect();
        for pod in &pods {
            let again = ObjectChange {
                old: Some(pod),
                new: Some(pod),
            };
            self.take_workload(&again, dirty, change);
        }
    }

    /// Where the node of this name is.
    pub(super) fn node_locality(&self, node: &Str) -> Locality {
        self.objects
            .nodes
            .get(node)
            .map(|(_, locality)| locality.clone())
            .unwrap_or_default()
    }
}

/// The services that a ServiceEntry declares.
fn service_entry_keys(object: &Object) -> impl Iterator<Item = ServiceKey> {
    let hosts = match &object.spec {
        Spec::ServiceEntry(entry) => &entry.hosts[..],
        _ => &[],
    };
    let namespace = &object.key.namespace;
    hosts.iter().map(|host| ServiceKey {
        hostname: host.clone(),
        namespace: namespace.clone(),
    })
}
