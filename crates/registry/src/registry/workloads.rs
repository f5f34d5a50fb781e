//! Pods and WorkloadEntries as workloads, by object and by address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ferromesh_config::{Object, Spec};
use ferromesh_types::{Labels, Namespace, Str};

use super::{Dirty, ObjectChange, Registry};
use crate::source::{pod, workload_entry};
use crate::{RegistryChange, ServiceKey, SharedMap, Workload};

/// Namespace, whether it is a WorkloadEntry, name. Pods come before WorkloadEntries.
type WorkloadKey = (Namespace, bool, Str);

/// All workloads that have an address.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    all: BTreeMap<WorkloadKey, Arc<Workload>>,
    /// Who claims an address; the first one is believed.
    claims: BTreeMap<IpAddr, BTreeSet<WorkloadKey>>,
    by_address: SharedMap<IpAddr, Arc<Workload>>,
}

impl Workloads {
    /// The workload at each address.
    pub(super) fn by_address(&self) -> &SharedMap<IpAddr, Arc<Workload>> {
        &self.by_address
    }

    /// The workloads of a namespace, pods first, by name.
    pub(super) fn of_namespace<'a>(
        &'a self,
        namespace: &'a Namespace,
    ) -> impl Iterator<Item = &'a Arc<Workload>> {
        self.all
            .range((namespace.clone(), false, Str::default())..)
            .take_while(move |((of, _, _), _)| of == namespace)
            .map(|(_, workload)| workload)
    }

    /// Puts a workload in place of the old one. Gives back the old one.
    fn replace(&mut self, key: &WorkloadKey, new: Option<Arc<Workload>>) -> Option<Arc<Workload>> {
        let old = match new.clone() {
            Some(new) => self.all.insert(key.clone(), new),
            None => self.all.remove(key),
        };
        let mut addresses = BTreeSet::new();
        for ip in old.iter().flat_map(|old| old.ips()) {
            if let Some(claims) = self.claims.get_mut(&ip) {
                claims.remove(key);
            }
            addresses.insert(ip);
        }
        // A pod in its node's network does not own the address.
        for ip in new
            .iter()
            .filter(|new| !new.host_network)
            .flat_map(|new| new.ips())
        {
            self.claims.entry(ip).or_default().insert(key.clone());
            addresses.insert(ip);
        }
        for ip in addresses {
            self.publish(ip);
        }
        old
    }

    fn publish(&mut self, ip: IpAddr) {
        let owner = self.claims.get(&ip).and_then(|claims| claims.first());
        match owner.and_then(|key| self.all.get(key)) {
            Some(workload) => {
                self.by_address.insert(ip, workload.clone());
            }
            None => {
                self.claims.remove(&ip);
                self.by_address.remove(&ip);
            }
        }
    }
}

impl Registry {
    /// Takes in a changed Pod or WorkloadEntry.
    pub(super) fn take_workload(
        &mut self,
        object: &ObjectChange<'_>,
        dirty: &mut Dirty,
        change: &mut RegistryChange,
    ) {
        let Some(subject) = object.object() else {
            return;
        };
        let is_entry = matches!(subject.spec, Spec::WorkloadEntry(_));
        match object.new {
            Some(new) => self.objects.workloads.insert(new.key.clone(), new.clone()),
            None => self.objects.workloads.remove(&subject.key),
        };
        let new = object
            .new
            .and_then(|new| self.workload_of(new))
            .map(Arc::new);
        let key = (
            subject.key.namespace.clone(),
            is_entry,
            subject.key.name.clone(),
        );
        let old = self.workloads.replace(&key, new.clone());
        if old == new {
            return;
        }
        let same = matches!((&old, &new), (Some(old), Some(new)) if old.looks_like(new));
        for workload in old.iter().chain(&new) {
            dirty
                .endpoints
                .extend(self.services_selecting(&workload.namespace, &workload.labels));
            if !same {
                change.workloads.extend(workload.ips());
            }
        }
        // Slices name pods by address; what they say of them changes too.
        if !is_entry && (!self.objects.slices.is_empty() || !self.objects.endpoints.is_empty()) {
            dirty
                .endpoints
                .extend(self.services_with_given_endpoints(&subject.key.namespace));
        }
    }

    fn workload_of(&self, object: &Object) -> Option<Workload> {
        match &object.spec {
            Spec::Pod(spec) => {
                let locality = self.node_locality(&spec.spec.node_name);
                pod::workload(object, spec, &locality, &self.settings)
            }
            Spec::WorkloadEntry(entry) => workload_entry::workload(object, entry, &self.settings),
            _ => None,
        }
    }

    fn services_selecting<'a>(
        &'a self,
        namespace: &Namespace,
        labels: &'a Labels,
    ) -> impl Iterator<Item = ServiceKey> + 'a {
        let selectors = self.selectors.get(namespace).into_iter().flatten();
        selectors
            .filter(|(_, selector)| selector.matches(labels))
            .map(|(key, _)| key.clone())
    }

    fn services_with_given_endpoints(&self, namespace: &Namespace) -> Vec<ServiceKey> {
        let slices = self.objects.slices.keys();
        let endpoints = self.objects.endpoints.keys();
        slices
            .chain(endpoints)
            .filter(|(of, _)| of == namespace)
            .map(|(of, name)| self.kubernetes_key(of, name))
            .collect()
    }
}
