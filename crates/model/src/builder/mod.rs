//! Building snapshots, one batch of changes after the other.
//!
//! In: changed objects. Out: the next [`Snapshot`] and what is [`Affected`]. A batch touches the
//! indices of the kinds in it and nothing else; everything that is the same is shared with the
//! snapshot before. A batch that moves endpoints only replaces the endpoint index.

mod affect;
mod mesh_config;

use std::sync::Arc;

use ferromesh_config::mesh::MeshConfig;
use ferromesh_config::{Object, Spec};
use ferromesh_gateway_api::{Converter, SERVICES};
use ferromesh_registry::{ObjectChange, Registry, RegistryChange};
use ferromesh_types::ResourceKey;

use crate::Affected;
use crate::declared::Declared;
use crate::distinction::{Distinction, ServiceDistinction};
use crate::index::destination_rule::RuleDefaults;
use crate::snapshot::{Indices, MeshSettings, ScopeMemo, Snapshot};
use mesh_config::registry_settings;

/// Builds one snapshot after the other.
#[derive(Debug)]
pub struct SnapshotBuilder {
    registry: Registry,
    indices: Indices,
    service_facts: ServiceDistinction,
    gateway_api: Converter,
    current: Arc<Snapshot>,
}

impl SnapshotBuilder {
    /// A builder for an empty mesh.
    pub fn new(settings: MeshSettings) -> Self {
        let mesh = Arc::new(MeshConfig::default());
        let registry = Registry::new(registry_settings(&settings, &mesh));
        let indices = Indices::empty(settings, mesh);
        let current = Arc::new(Snapshot {
            generation: ferromesh_types::Generation::default(),
            indices: indices.clone(),
            endpoints: registry.endpoints().clone(),
            workloads: registry.workloads().clone(),
            scopes: Arc::new(ScopeMemo::default()),
        });
        Self {
            registry,
            gateway_api: Converter::new(indices.settings.domain.clone()),
            indices,
            service_facts: ServiceDistinction::default(),
            current,
        }
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.current
    }

    /// Takes in a batch of changes and makes the next snapshot, unless nothing came of it.
    ///
    /// What the objects of the Gateway API amount to is taken in as if somebody had written it.
    pub fn apply(&mut self, changes: &[ObjectChange<'_>]) -> Affected {
        let written = changes.iter().map(|change| (change.old, change.new));
        let made = self.gateway_api.apply(written);
        let made = made.iter().map(|change| ObjectChange {
            old: change.old.as_ref(),
            new: change.new.as_ref(),
        });
        let all: Vec<ObjectChange<'_>> = changes.iter().copied().chain(made).collect();
        self.apply_all(&all)
    }

    fn apply_all(&mut self, changes: &[ObjectChange<'_>]) -> Affected {
        let mut affected = Affected::default();
        let mut touched = false;
        let mut of_registry = RegistryChange::default();
        for change in changes {
            if let Some(mesh) = self.indices.mesh_config_of(change) {
                of_registry.merge(self.adopt_mesh_config(mesh, &mut affected));
                touched = true;
            }
        }
        for change in changes {
            touched |= self.take_in(change, &mut affected);
        }
        touched |= self.take_virtual_services(changes, &mut affected);
        of_registry.merge(self.registry.apply(changes));
        self.take_in_services(&of_registry, &mut affected);
        touched |= !of_registry.services.is_empty();
        if touched {
            self.update_distinction(&mut affected);
        }
        if touched || !of_registry.is_empty() {
            self.publish(touched);
        }
        affected
    }

    fn publish(&mut self, indices_changed: bool) {
        self.current = Arc::new(Snapshot {
            generation: self.current.generation.next(),
            indices: self.indices.clone(),
            endpoints: self.registry.endpoints().clone(),
            workloads: self.registry.workloads().clone(),
            scopes: if indices_changed {
                Arc::new(ScopeMemo::default())
            } else {
                self.current.scopes.clone()
            },
        });
    }

    fn adopt_mesh_config(
        &mut self,
        mesh: Arc<MeshConfig>,
        affected: &mut Affected,
    ) -> RegistryChange {
        self.indices.adopt_mesh_config(mesh);
        affected.merge(Affected::everything());
        let settings = registry_settings(&self.indices.settings, &self.indices.mesh);
        self.registry.reconfigure(settings)
    }

    /// Takes in an object of a kind that has an index of its own. Gives back whether it has.
    fn take_in(&mut self, change: &ObjectChange<'_>, affected: &mut Affected) -> bool {
        let Some(subject) = change.object() else {
            return false;
        };
        let key = &subject.key;
        match &subject.spec {
            Spec::DestinationRule(_) => self.take_destination_rule(key, change, affected),
            Spec::Gateway(_) => {
                let new = declared(change, |spec| match spec {
                    Spec::Gateway(spec) => Some(spec),
                    _ => None,
                });
                let services = change
                    .new
                    .and_then(|new| new.meta.annotations.get(SERVICES));
                Arc::make_mut(&mut self.indices.gateways).replace(key, new, services);
                affected.gateways = true;
            }
            Spec::Sidecar(_) => {
                let new = declared(change, |spec| match spec {
                    Spec::Sidecar(spec) => Some(spec),
                    _ => None,
                });
                Arc::make_mut(&mut self.indices.sidecars).replace(key, new);
                self.affect_sidecar(&key.namespace, affected);
            }
            Spec::PeerAuthentication(_) => {
                let new = declared(change, |spec| match spec {
                    Spec::PeerAuthentication(spec) => Some(spec),
                    _ => None,
                });
                Arc::make_mut(&mut self.indices.peer_authentications).replace(key, new);
                self.affect_peer_authentication(&key.namespace, affected);
            }
            Spec::Secret(_) => {
                let new = change.new.and_then(|new| match &new.spec {
                    Spec::Secret(secret) => Some(secret.clone()),
                    _ => None,
                });
                let secrets = Arc::make_mut(&mut self.indices.secrets);
                secrets.replace(&key.namespace, &key.name, new);
                self.affect_secret(key, affected);
            }
            _ => return false,
        }
        true
    }

    /// Takes in all VirtualServices of a batch at once, since they are sorted by precedence
    /// afterwards. Gives back whether there are any.
    fn take_virtual_services(
        &mut self,
        changes: &[ObjectChange<'_>],
        affected: &mut Affected,
    ) -> bool {
        let of_kind = changes.iter().filter_map(|change| {
            let subject = change.object()?;
            matches!(subject.spec, Spec::VirtualService(_)).then_some((subject, change))
        });
        let edits: Vec<_> = of_kind
            .map(|(subject, change)| {
                let new = declared(change, |spec| match spec {
                    Spec::VirtualService(spec) => Some(spec),
                    _ => None,
                });
                (subject.key.clone(), new)
            })
            .collect();
        if edits.is_empty() {
            return false;
        }
        let fallback = self.indices.virtual_service_visibility();
        let domain = self.indices.settings.domain.clone();
        let before = self.indices.virtual_services.clone();
        let after = before.replacing(edits, &domain, &fallback);
        for (old, new) in before.differences(&after) {
            self.affect_virtual_service(old, new, affected);
        }
        self.indices.virtual_services = Arc::new(after);
        true
    }

    fn take_destination_rule(
        &mut self,
        key: &ResourceKey,
        change: &ObjectChange<'_>,
        affected: &mut Affected,
    ) {
        let new = declared(change, |spec| match spec {
            Spec::DestinationRule(spec) => Some(spec),
            _ => None,
        });
        let hosts: Vec<_> = [change.old, change.new]
            .into_iter()
            .flatten()
            .filter_map(|object| match &object.spec {
                Spec::DestinationRule(rule) => Some(
                    rule.host
                        .expand(&key.namespace, &self.indices.settings.domain),
                ),
                _ => None,
            })
            .collect();
        // The rules of the namespace for these hosts, before and after.
        self.affect_rules(&key.namespace, &hosts, affected);
        let visibility = self.indices.destination_rule_visibility();
        let domain = self.indices.settings.domain.clone();
        let defaults = RuleDefaults {
            domain: &domain,
            visibility: &visibility,
        };
        Arc::make_mut(&mut self.indices.destination_rules).replace(key, new, &defaults);
        self.affect_rules(&key.namespace, &hosts, affected);
    }

    fn take_in_services(&mut self, change: &RegistryChange, affected: &mut Affected) {
        if !change.services.is_empty() {
            for key in &change.services {
                self.affect_service(key, affected);
            }
            let services = Arc::make_mut(&mut self.indices.services);
            for key in &change.services {
                services.replace(key, self.registry.services().get(key).cloned());
            }
            for key in &change.services {
                self.affect_service(key, affected);
            }
        }
        for key in &change.endpoints {
            self.affect_endpoints(key, change.identities.contains(key), affected);
        }
        affected.workloads.extend(change.workloads.iter().copied());
    }

    /// Works out again what tells proxies apart; views must be made again where that changed.
    fn update_distinction(&mut self, affected: &mut Affected) {
        if !Arc::ptr_eq(&self.indices.services, &self.current.indices.services) {
            self.service_facts = self.indices.services.distinction();
        }
        let facts = Distinction::new(&self.indices, &self.service_facts);
        if facts != *self.indices.distinction {
            self.indices.distinction = Arc::new(facts);
            affected.views = true;
        }
    }
}

/// The new object of a change with its typed spec.
fn declared<T>(
    change: &ObjectChange<'_>,
    pick: impl Fn(&Spec) -> Option<&Arc<T>>,
) -> Option<Declared<T>> {
    let object: &Object = change.new?;
    Some(Declared {
        key: object.key.clone(),
        created: ferromesh_registry::created(object),
        spec: pick(&object.spec)?.clone(),
    })
}

#[cfg(test)]
mod tests;
