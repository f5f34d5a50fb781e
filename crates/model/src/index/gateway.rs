//! Gateway objects: which ones select a proxy, and their servers merged per port.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferromesh_config::kind::gateway::{Gateway, Server, ServerTlsMode};
use ferromesh_types::{Hostname, Labels, Namespace, ResourceKey, Str};

use crate::declared::Declared;

/// All Gateway objects.
#[derive(Clone, Debug, Default)]
pub struct GatewayIndex {
    all: BTreeMap<ResourceKey, Arc<Declared<Gateway>>>,
    /// Of Gateways that are bound to Services instead of labels: the Services.
    services: BTreeMap<ResourceKey, BTreeSet<Hostname>>,
}

/// One server of one Gateway object.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayServer {
    /// The object.
    pub gateway: Arc<Declared<Gateway>>,
    /// Which of its servers.
    pub position: usize,
}

impl GatewayServer {
    /// The server.
    pub fn server(&self) -> &Server {
        &self.gateway.spec.servers[self.position]
    }
}

/// Where servers listen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerAddress {
    /// The port that the Gateway object names.
    pub port: u16,
    /// The address to bind; empty is all addresses.
    pub bind: Str,
}

/// The servers of all Gateways that select one proxy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MergedGateways {
    /// The servers by address, those of the oldest Gateway first.
    pub servers: BTreeMap<ServerAddress, Vec<GatewayServer>>,
}

impl GatewayIndex {
    /// Takes in a Gateway. `services` is what its annotation of Services says, names with commas
    /// between them.
    pub(crate) fn replace(
        &mut self,
        key: &ResourceKey,
        object: Option<Declared<Gateway>>,
        services: Option<&Str>,
    ) {
        self.services.remove(key);
        if let (Some(names), Some(_)) = (services, &object) {
            let names = names.split(',').map(|name| Hostname::from(name.trim()));
            self.services.insert(key.clone(), names.collect());
        }
        match object {
            Some(object) => self.all.insert(key.clone(), Arc::new(object)),
            None => self.all.remove(key),
        };
    }

    /// The Services that a Gateway is bound to; `None` for one that is bound to labels.
    pub fn services_of(&self, key: &ResourceKey) -> Option<&BTreeSet<Hostname>> {
        self.services.get(key)
    }

    /// The Gateway with this key.
    pub fn by_key(&self, key: &ResourceKey) -> Option<&Arc<Declared<Gateway>>> {
        self.all.get(key)
    }

    /// All Gateways, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Declared<Gateway>>> {
        self.all.values()
    }

    /// The Gateways that select a proxy of this namespace and with these labels that serves these
    /// Services, oldest first.
    pub fn selecting(
        &self,
        namespace: &Namespace,
        labels: &Labels,
        served: &BTreeSet<Hostname>,
    ) -> Vec<ResourceKey> {
        let selects = |gateway: &&Arc<Declared<Gateway>>| match self.services.get(&gateway.key) {
            Some(services) => !services.is_disjoint(served),
            None => {
                let here = !gateway.spec.is_made || gateway.namespace() == namespace;
                here && gateway.spec.selector.matches(labels)
            }
        };
        let mut chosen: Vec<_> = self.all.values().filter(selects).collect();
        chosen.sort_by(|a, b| a.precedence(b));
        chosen
            .into_iter()
            .map(|gateway| gateway.key.clone())
            .collect()
    }

    /// Whether a server of these Gateways passes connections on by the server names of mutual TLS.
    pub fn pass_by_server_name(&self, gateways: &[ResourceKey]) -> bool {
        let found = gateways.iter().filter_map(|key| self.all.get(key));
        let mut servers = found.flat_map(|gateway| &gateway.spec.servers);
        servers.any(|server| {
            let tls = server.tls.as_ref();
            tls.is_some_and(|tls| tls.mode == ServerTlsMode::AutoPassthrough)
        })
    }

    /// The servers of these Gateways, by port.
    pub fn merge(&self, gateways: &[ResourceKey]) -> MergedGateways {
        let mut merged = MergedGateways::default();
        for gateway in gateways.iter().filter_map(|key| self.all.get(key)) {
            for (position, server) in gateway.spec.servers.iter().enumerate() {
                let Some(port) = &server.port else { continue };
                let address = ServerAddress {
                    port: port.number,
                    bind: server.bind.clone(),
                };
                let server = GatewayServer {
                    gateway: gateway.clone(),
                    position,
                };
                merged.servers.entry(address).or_default().push(server);
            }
        }
        merged
    }
}
