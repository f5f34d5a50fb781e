//! The registry: config objects in, services with their endpoints out.
//!
//! A batch of changes is worked off in three steps: take in the objects and note which services
//! they can concern (`objects`), define those services again (`define`), find their endpoints
//! again (`members`). What comes out equal to what was there is not reported.

mod define;
mod members;
mod objects;
mod workloads;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ferromesh_config::Object;
use ferromesh_types::{Namespace, Selector};

use crate::auto_address::AutoAddresses;
use crate::endpoint::ServiceEndpoints;
use crate::settings::RegistrySettings;
use crate::{EndpointIndex, RegistryChange, Service, ServiceKey, SharedMap, Workload};

use objects::Objects;
use workloads::Workloads;

/// An object before and after a change; a new object has no `old`, a deleted one no `new`.
#[derive(Clone, Copy, Debug)]
pub struct ObjectChange<'a> {
    /// What was in force.
    pub old: Option<&'a Arc<Object>>,
    /// What is in force now.
    pub new: Option<&'a Arc<Object>>,
}

impl ObjectChange<'_> {
    /// The newer one of the two.
    pub fn object(&self) -> Option<&Arc<Object>> {
        self.new.or(self.old)
    }
}

/// Services that have to be looked at again.
#[derive(Debug, Default)]
struct Dirty {
    /// Their definition.
    services: BTreeSet<ServiceKey>,
    /// Their endpoints.
    endpoints: BTreeSet<ServiceKey>,
}

/// Services, endpoints and workloads of the mesh.
#[derive(Debug, Default)]
pub struct Registry {
    settings: RegistrySettings,
    objects: Objects,
    workloads: Workloads,
    addresses: AutoAddresses,
    /// The selectors of services, by namespace: what a workload can be a member of.
    selectors: HashMap<Namespace, BTreeMap<ServiceKey, Selector>>,
    services: SharedMap<ServiceKey, Arc<Service>>,
    endpoints: Arc<EndpointIndex>,
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: RegistrySettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// The names and defaults in force.
    pub fn settings(&self) -> &RegistrySettings {
        &self.settings
    }

    /// All services.
    pub fn services(&self) -> &SharedMap<ServiceKey, Arc<Service>> {
        &self.services
    }

    /// All endpoints.
    pub fn endpoints(&self) -> &Arc<EndpointIndex> {
        &self.endpoints
    }

    /// The workloads by address.
    pub fn workloads(&self) -> &SharedMap<IpAddr, Arc<Workload>> {
        self.workloads.by_address()
    }

    /// Takes in a batch of changes. Objects of kinds that the registry does not read are ignored.
    pub fn apply(&mut self, changes: &[ObjectChange<'_>]) -> RegistryChange {
        let mut change = RegistryChange::default();
        let mut dirty = Dirty::default();
        for object in changes {
            self.take_in(object, &mut dirty, &mut change);
        }
        self.settle(dirty, &mut change);
        change
    }

    /// Reads everything again under other names or defaults.
    pub fn reconfigure(&mut self, settings: RegistrySettings) -> RegistryChange {
        let mut change = RegistryChange::default();
        if settings == self.settings {
            return change;
        }
        self.settings = settings;
        let mut dirty = Dirty::default();
        let objects = std::mem::take(&mut self.objects).into_objects();
        dirty.services.extend(self.services.keys().cloned());
        for object in &objects {
            let put = ObjectChange {
                old: None,
                new: Some(object),
            };
            self.take_in(&put, &mut dirty, &mut change);
        }
        self.settle(dirty, &mut change);
        change
    }

    /// Defines the dirty services again, then finds their endpoints again.
    fn settle(&mut self, mut dirty: Dirty, change: &mut RegistryChange) {
        self.define_all(&dirty.services, change);
        dirty.endpoints.extend(change.services.iter().cloned());
        for key in &dirty.endpoints {
            self.find_members(key, change);
        }
    }

    fn find_members(&mut self, key: &ServiceKey, change: &mut RegistryChange) {
        let new = match self.services.get(key) {
            Some(service) => ServiceEndpoints::new(self.members(key, service)),
            None => ServiceEndpoints::default(),
        };
        let old = self.endpoints.of(key).map(|old| &**old);
        if old.map_or(new.endpoints.is_empty(), |old| *old == new) {
            return;
        }
        let same_identities = old.is_some_and(|old| {
            old.identities == new.identities && old.all_accept_mtls() == new.all_accept_mtls()
        });
        if !same_identities {
            change.identities.insert(key.clone());
        }
        change.endpoints.insert(key.clone());
        change
            .workloads
            .extend(Arc::make_mut(&mut self.endpoints).replace(key, new));
    }
}

#[cfg(test)]
mod tests;
