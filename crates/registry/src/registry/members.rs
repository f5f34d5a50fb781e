//! Finding the endpoints of a service.
//!
//! A Kubernetes Service gets them from its EndpointSlices, else from its Endpoints object, else
//! from the pods that it selects, and always from the WorkloadEntries that it selects. A
//! ServiceEntry gets those that it lists, or the pods and WorkloadEntries that it selects.

use std::sync::Arc;

use ferromesh_config::kind::service_entry::{Resolution, ServiceEntry};
use ferromesh_config::{Object, Spec, kubernetes};

use super::Registry;
use super::objects::ObjectKey;
use crate::endpoint::{Endpoint, Health};
use crate::source::endpoint_slice::Surroundings;
use crate::source::{endpoint_of, kubernetes_service, service_entry};
use crate::{Service, ServiceKey, Workload};

impl Registry {
    /// The endpoints of a service, in no particular order.
    pub(super) fn members(&self, key: &ServiceKey, service: &Service) -> Vec<Endpoint> {
        let Some(declarers) = self.objects.declarers.get(key) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        if let Some(object) = &declarers.service
            && let Spec::Service(spec) = &object.spec
        {
            found.extend(self.kubernetes_members(object, spec, service));
        }
        for object in declarers.entries.values() {
            if let Spec::ServiceEntry(entry) = &object.spec {
                found.extend(self.service_entry_members(key, object, entry));
            }
        }
        found
    }

    fn kubernetes_members(
        &self,
        object: &Object,
        spec: &kubernetes::Service,
        service: &Service,
    ) -> Vec<Endpoint> {
        let key = (object.key.namespace.clone(), object.key.name.clone());
        let publish_not_ready = spec.spec.publish_not_ready_addresses;
        let given = self.given_members(&key, publish_not_ready);
        let pods_count = given.is_none();
        let mut found = given.unwrap_or_default();
        let Some(selector) = &service.selector else {
            return found;
        };
        for workload in self.workloads.of_namespace(&key.0) {
            if (workload.is_entry || pods_count) && selector.matches(&workload.labels) {
                found.extend(pod_endpoints(workload, service, publish_not_ready));
            }
        }
        found
    }

    /// What EndpointSlices or an Endpoints object say; `None` without any.
    fn given_members(&self, key: &ObjectKey, publish_not_ready: bool) -> Option<Vec<Endpoint>> {
        let surroundings = Surroundings {
            namespace: &key.0,
            settings: &self.settings,
            pod: |ip| {
                let workload = self.workloads.by_address().get(&ip)?;
                Some(Workload::clone(workload)).filter(|workload| !workload.is_entry)
            },
            publish_not_ready,
        };
        if let Some(slices) = self.objects.slices.get(key) {
            let slices = slices.values().filter_map(|object| match &object.spec {
                Spec::EndpointSlice(slice) => Some(slice),
                _ => None,
            });
            return Some(
                slices
                    .flat_map(|slice| surroundings.of_slice(slice))
                    .collect(),
            );
        }
        match &self.objects.endpoints.get(key)?.spec {
            Spec::Endpoints(endpoints) => Some(surroundings.of_endpoints(endpoints)),
            _ => None,
        }
    }

    fn service_entry_members(
        &self,
        key: &ServiceKey,
        object: &Object,
        entry: &ServiceEntry,
    ) -> Vec<Endpoint> {
        let Some(selector) = &entry.workload_selector else {
            return service_entry::endpoints(object, entry, &key.hostname, &self.settings);
        };
        if entry.resolution == Resolution::None {
            return Vec::new();
        }
        let own = service_entry::service(object, entry, &key.hostname, &self.settings);
        let members = self.workloads.of_namespace(&object.key.namespace);
        members
            .filter(|workload| selector.labels.matches(&workload.labels))
            .flat_map(|workload| {
                own.ports.iter().map(move |port| {
                    let number = service_entry::workload_port(workload, port);
                    endpoint_of(workload, &port.name, number)
                })
            })
            .collect()
    }
}

fn pod_endpoints(
    workload: &Arc<Workload>,
    service: &Service,
    publish_not_ready: bool,
) -> Vec<Endpoint> {
    service
        .ports
        .iter()
        .filter_map(|port| {
            let number = kubernetes_service::workload_port(workload, port)?;
            let mut endpoint = endpoint_of(workload, &port.name, number);
            if publish_not_ready && endpoint.health == Health::Unhealthy {
                endpoint.health = Health::Healthy;
            }
            Some(endpoint)
        })
        .collect()
}
