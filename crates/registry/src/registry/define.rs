//! Defining services from the objects that declare them.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferromesh_config::{Object, Spec};

use super::Registry;
use crate::source::{self, kubernetes_service, service_entry};
use crate::{RegistryChange, Service, ServiceKey};

impl Registry {
    /// Defines the services of `keys` again, and those whose chosen address moves because of it.
    pub(super) fn define_all(&mut self, keys: &BTreeSet<ServiceKey>, change: &mut RegistryChange) {
        let mut defined: Vec<(ServiceKey, Option<Service>)> = Vec::with_capacity(keys.len());
        let mut news = false;
        for key in keys {
            let service = self.define(key);
            let wants = service.as_ref().is_some_and(service_entry::wants_address);
            let created = service.as_ref().map_or(0, |service| service.created);
            news |= self.addresses.want(key, created, wants);
            defined.push((key.clone(), service));
        }
        let moved = if news {
            self.addresses.assign()
        } else {
            Vec::new()
        };
        for (key, mut service) in defined {
            if let Some(service) = &mut service {
                service.auto_addresses = self.addresses.of(&key);
            }
            self.put(key, service, change);
        }
        for key in moved.into_iter().filter(|key| !keys.contains(key)) {
            let mut service = self
                .services
                .get(&key)
                .map(|service| Service::clone(service));
            if let Some(service) = &mut service {
                service.auto_addresses = self.addresses.of(&key);
            }
            self.put(key, service, change);
        }
    }

    /// The service as its objects declare it now, without chosen addresses.
    fn define(&self, key: &ServiceKey) -> Option<Service> {
        let declarers = self.objects.declarers.get(key)?;
        let mut service = match &declarers.service {
            Some(object) => {
                let Spec::Service(spec) = &object.spec else {
                    return None;
                };
                kubernetes_service::service(object, spec, &self.settings)
            }
            None => {
                let mut entries: Vec<&Arc<Object>> = declarers.entries.values().collect();
                entries.sort_by_key(|object| (source::created(object), object.key.name.clone()));
                let mut services = entries.into_iter().filter_map(|object| {
                    let Spec::ServiceEntry(entry) = &object.spec else {
                        return None;
                    };
                    Some(service_entry::service(
                        object,
                        entry,
                        &key.hostname,
                        &self.settings,
                    ))
                });
                let first = services.next()?;
                services.fold(first, unite)
            }
        };
        let aliases = self
            .objects
            .aliases
            .get(&key.hostname)
            .into_iter()
            .flatten();
        service.aliases = aliases.cloned().collect();
        Some(service)
    }

    fn put(&mut self, key: ServiceKey, service: Option<Service>, change: &mut RegistryChange) {
        if self.services.get(&key).map(|known| &**known) == service.as_ref() {
            return;
        }
        let selectors = self.selectors.entry(key.namespace.clone()).or_default();
        match service
            .as_ref()
            .and_then(|service| service.selector.clone())
        {
            Some(selector) => selectors.insert(key.clone(), selector),
            None => selectors.remove(&key),
        };
        match service {
            Some(service) => self.services.insert(key.clone(), Arc::new(service)),
            None => self.services.remove(&key),
        };
        change.services.insert(key);
    }
}

/// Adds to a ServiceEntry what a younger one of the same namespace declares for the same host: its
/// ports and addresses, where they are new.
fn unite(mut older: Service, younger: Service) -> Service {
    for port in younger.ports {
        if older.port(port.port).is_none() && older.port_named(&port.name).is_none() {
            older.ports.push(port);
        }
    }
    for address in younger.addresses {
        if !older.addresses.contains(&address) {
            older.addresses.push(address);
        }
    }
    for name in younger.subject_alt_names {
        if !older.subject_alt_names.contains(&name) {
            older.subject_alt_names.push(name);
        }
    }
    older
}
