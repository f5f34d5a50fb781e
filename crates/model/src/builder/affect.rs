//! What each kind of change makes necessary to send again.
//!
//! For a changed object this is asked twice, for the state before and for the state after: what it
//! was visible to or spoke about before must be sent again as well.

use std::sync::Arc;

use ferromesh_gateway_api::is_roots_secret;
use ferromesh_registry::{Resolution, Service, ServiceKey, Visibility};
use ferromesh_types::{Hostname, Namespace, ResourceKey};

use super::SnapshotBuilder;
use crate::index::virtual_service::{GatewayRef, VirtualServiceEntry};
use crate::{Affected, Hosts, Namespaces};

impl Affected {
    /// Adds the namespaces that see an object.
    fn reach(&mut self, visibility: &Visibility) {
        match visibility {
            Visibility::Public => self.namespaces = Namespaces::All,
            Visibility::Only(named) => named.iter().for_each(|name| self.namespaces.add(name)),
        }
    }

    /// Everything that proxies get for a service of this name.
    fn add_service(&mut self, host: &Hostname) {
        self.clusters.add(host);
        self.endpoints.add(host);
        self.listeners.add(host);
        self.routes.add(host);
        self.names.add(host);
    }
}

impl SnapshotBuilder {
    /// A service came, went or is defined differently.
    pub(super) fn affect_service(&self, key: &ServiceKey, affected: &mut Affected) {
        let Some(service) = self.indices.services.of(key) else {
            return;
        };
        affected.reach(&service.visibility);
        affected.add_service(&key.hostname);
        if let Some(target) = &service.alias_of {
            affected.add_service(target);
        }
        // Gateways find the port of a destination in its service.
        affected.gateways = true;
        self.affect_members(service, affected);
    }

    /// The proxies of a service's members receive its traffic.
    fn affect_members(&self, service: &Service, affected: &mut Affected) {
        for endpoints in [self.registry.endpoints(), &self.current.endpoints]
            .into_iter()
            .filter_map(|index| index.of(&service.key()))
        {
            let addresses = endpoints.endpoints.iter().filter_map(|e| e.address.ip());
            affected.workloads.extend(addresses);
        }
    }

    /// The endpoints of a service changed; `identities` says whether also who they are.
    pub(super) fn affect_endpoints(
        &self,
        key: &ServiceKey,
        identities: bool,
        affected: &mut Affected,
    ) {
        affected.endpoints.add(&key.hostname);
        let Some(service) = self.indices.services.of(key) else {
            return;
        };
        affected.reach(&service.visibility);
        // The cluster itself holds names to resolve, and the identities to expect.
        if identities || service.resolution.uses_dns() {
            affected.clusters.add(&key.hostname);
        }
        if service.resolution == Resolution::Passthrough {
            // Members of a headless service have listeners and names of their own.
            affected.clusters.add(&key.hostname);
            affected.listeners.add(&key.hostname);
            affected.names.add(&key.hostname);
        }
    }

    /// A VirtualService changed.
    pub(super) fn affect_virtual_service(
        &self,
        old: Option<&Arc<VirtualServiceEntry>>,
        new: Option<&Arc<VirtualServiceEntry>>,
        affected: &mut Affected,
    ) {
        let narrowed = self
            .indices
            .sidecars
            .iter()
            .any(|sidecar| !sidecar.spec.egress.is_empty());
        for entry in old.into_iter().chain(new) {
            affected.reach(&entry.visibility);
            for host in &entry.hosts {
                affected.routes.add(host);
                if entry.has_layer4 {
                    affected.listeners.add(host);
                }
            }
            affected.gateways |= entry
                .gateways
                .iter()
                .any(|gateway| *gateway != GatewayRef::Mesh);
            // A Sidecar that imports the route imports its destinations.
            if narrowed && entry.is_bound_to(&GatewayRef::Mesh) {
                entry
                    .destinations
                    .iter()
                    .for_each(|host| affected.add_service(host));
            }
        }
    }

    /// The DestinationRules of a namespace for these hosts changed.
    pub(super) fn affect_rules(
        &self,
        home: &Namespace,
        hosts: &[Hostname],
        affected: &mut Affected,
    ) {
        affected.gateways = true;
        for rule in self.indices.destination_rules.of_namespace(home) {
            if !hosts.contains(&rule.host) {
                continue;
            }
            affected.reach(&rule.visibility);
            affected.namespaces.add(home);
            let limits = rule.limits_connections();
            for host in self.hosts_of(&rule.host) {
                affected.clusters.add(&host);
                affected.endpoints.add(&host);
                affected.listeners.add(&host);
                affected.routes.add(&host);
                // The servers' side takes its connection limits from the rule.
                if limits {
                    let services = self.indices.services.of_host(&host).iter();
                    services.for_each(|service| affected.inbound.add(&service.namespace));
                }
            }
        }
    }

    /// The host names that a rule for `pattern` is about.
    fn hosts_of(&self, pattern: &Hostname) -> Vec<Hostname> {
        if !pattern.is_wildcard() {
            return vec![pattern.clone()];
        }
        let hosts = self.indices.services.hosts();
        hosts
            .filter(|host| host.is_covered_by(pattern))
            .cloned()
            .collect()
    }

    /// A Sidecar changed: all that its proxies see may be different.
    pub(super) fn affect_sidecar(&self, home: &Namespace, affected: &mut Affected) {
        let whom = self.below(home);
        affected.clusters = Hosts::All;
        affected.endpoints = Hosts::All;
        affected.listeners = Hosts::All;
        affected.routes = Hosts::All;
        affected.names = Hosts::All;
        affected.namespaces.merge(whom.clone());
        affected.inbound.merge(whom);
    }

    /// A PeerAuthentication changed: what servers accept, and what their clients send.
    pub(super) fn affect_peer_authentication(&self, home: &Namespace, affected: &mut Affected) {
        let whom = self.below(home);
        if whom == Namespaces::All {
            affected.clusters = Hosts::All;
            affected.endpoints = Hosts::All;
        } else {
            for service in self
                .indices
                .services
                .iter()
                .filter(|s| s.namespace == *home)
            {
                affected.clusters.add(&service.hostname);
                affected.endpoints.add(&service.hostname);
            }
        }
        affected.namespaces = Namespaces::All;
        affected.inbound.merge(whom);
    }

    /// A Secret changed. Its own namespace reads it, and the Gateways of others that may use it.
    pub(super) fn affect_secret(&self, key: &ResourceKey, affected: &mut Affected) {
        if is_roots_secret(&key.name) {
            affected.secrets = Namespaces::All;
            return;
        }
        affected.secrets.add(&key.namespace);
        let made = self
            .indices
            .gateways
            .iter()
            .filter(|gateway| gateway.spec.is_made);
        for gateway in made {
            affected.secrets.add(gateway.namespace());
        }
    }

    /// The namespaces that an object in `home` holds for: all, if that is the root namespace.
    fn below(&self, home: &Namespace) -> Namespaces {
        if *home == self.indices.root {
            return Namespaces::All;
        }
        Namespaces::Only([home.clone()].into())
    }
}
