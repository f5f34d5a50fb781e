//! Gateway objects: which ones select a proxy, and their servers merged per port.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferromesh_config::kind::gateway::{Gateway, Server};
use ferromesh_types::{Labels, ResourceKey, Str};

use crate::declared::Declared;

/// All Gateway objects.
#[derive(Clone, Debug, Default)]
pub struct GatewayIndex {
    all: BTreeMap<ResourceKey, Arc<Declared<Gateway>>>,
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
    pub(crate) fn replace(&mut self, key: &ResourceKey, object: Option<Declared<Gateway>>) {
        match object {
            Some(object) => self.all.insert(key.clone(), Arc::new(object)),
            None => self.all.remove(key),
        };
    }

    /// The Gateway with this key.
    pub fn by_key(&self, key: &ResourceKey) -> Option<&Arc<Declared<Gateway>>> {
        self.all.get(key)
    }

    /// All Gateways, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Declared<Gateway>>> {
        self.all.values()
    }

    /// The Gateways that select a proxy with these labels, oldest first.
    pub fn selecting(&self, labels: &Labels) -> Vec<ResourceKey> {
        let mut chosen: Vec<_> = self
            .all
            .values()
            .filter(|gateway| gateway.spec.selector.matches(labels))
            .collect();
        chosen.sort_by(|a, b| a.precedence(b));
        chosen
            .into_iter()
            .map(|gateway| gateway.key.clone())
            .collect()
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
