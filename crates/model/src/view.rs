//! Making the views of a proxy.
//!
//! Only here is a proxy looked at as a whole; everything after gets the views. What goes into a
//! view is what some object in force reads, and no more: see `distinction`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ferromesh_config::kind::sidecar::Sidecar;
use ferromesh_registry::{InboundInstance, Resolution, Service, ServiceKey};
use ferromesh_types::{Hostname, Labels, Locality, Protocol, ResourceKey};

use crate::declared::Declared;
use crate::{
    GatewayPort, GatewayView, InboundPort, InboundView, ListenerView, OutboundView, Proxy,
    ProxyType, ProxyView, RouteView, ScopeKey, Snapshot,
};

/// What the registry knows about the workload beside a proxy.
struct Surroundings {
    labels: Labels,
    locality: Locality,
    /// The service ports that the workload serves, with their services.
    instances: Vec<(InboundInstance, Arc<Service>)>,
    sidecar: Option<Arc<Declared<Sidecar>>>,
}

impl Snapshot {
    /// The views of a proxy.
    pub fn view_of(&self, proxy: &Proxy) -> ProxyView {
        let around = self.surroundings(proxy);
        let outbound = Arc::new(self.outbound_view(proxy, &around));
        match proxy.kind {
            ProxyType::Sidecar => ProxyView {
                listener: Some(Arc::new(ListenerView {
                    outbound: outbound.clone(),
                    own_addresses: around.headless_addresses(proxy),
                })),
                route: Some(Arc::new(RouteView {
                    outbound: outbound.clone(),
                    namespace: proxy.namespace.clone(),
                    dns_domain: proxy.dns_domain.clone(),
                })),
                inbound: Some(Arc::new(self.inbound_view(proxy, &around))),
                gateway: None,
                outbound,
            },
            ProxyType::Router => ProxyView {
                listener: None,
                route: None,
                inbound: None,
                gateway: Some(Arc::new(GatewayView {
                    outbound: outbound.clone(),
                    namespace: proxy.namespace.clone(),
                    gateways: self.gateways_of(proxy, &around),
                    ports: around.gateway_ports(),
                })),
                outbound,
            },
        }
    }

    fn surroundings(&self, proxy: &Proxy) -> Surroundings {
        let workload = proxy
            .addresses
            .iter()
            .find_map(|address| self.workload(*address));
        let workload = workload.filter(|workload| workload.namespace == proxy.namespace);
        let labels = workload.map_or_else(|| proxy.labels.clone(), |known| known.labels.clone());
        let locality = if proxy.locality.is_empty() {
            workload
                .map(|known| known.locality.clone())
                .unwrap_or_default()
        } else {
            proxy.locality.clone()
        };
        let sidecar = (proxy.kind == ProxyType::Sidecar)
            .then(|| {
                self.sidecars()
                    .applying_to(&proxy.namespace, &labels, self.root_namespace())
            })
            .flatten()
            .cloned();
        Surroundings {
            labels,
            locality,
            instances: self.instances(proxy),
            sidecar,
        }
    }

    /// The service ports that the workload of a proxy serves. A workload serves services of its own
    /// namespace only, unless a ServiceEntry elsewhere lists its address.
    fn instances(&self, proxy: &Proxy) -> Vec<(InboundInstance, Arc<Service>)> {
        let found: BTreeSet<&InboundInstance> = proxy
            .addresses
            .iter()
            .flat_map(|address| self.endpoints.at(*address))
            .collect();
        found
            .into_iter()
            .filter_map(|instance| {
                let key = ServiceKey {
                    hostname: instance.hostname.clone(),
                    namespace: instance.namespace.clone(),
                };
                Some((instance.clone(), self.services().of(&key)?.clone()))
            })
            .collect()
    }

    fn outbound_view(&self, proxy: &Proxy, around: &Surroundings) -> OutboundView {
        let facts = &self.indices.distinction;
        let reads: BTreeSet<_> = facts.labels_read(&proxy.namespace).collect();
        let sidecar = around
            .sidecar
            .as_ref()
            .filter(|sidecar| narrows(&sidecar.spec));
        let own = sidecar.is_some() || facts.namespaces.contains(&proxy.namespace);
        OutboundView {
            kind: proxy.kind,
            dialect: proxy.dialect,
            scope: ScopeKey {
                namespace: own.then(|| proxy.namespace.clone()),
                sidecar: sidecar.map(|sidecar| sidecar.key.clone()),
            },
            ip_family: proxy.ip_family(),
            network: proxy.network.clone(),
            cluster: proxy.cluster.clone(),
            locality: if facts.reads_locality {
                around.locality.clone()
            } else {
                Locality::default()
            },
            labels: reads
                .into_iter()
                .filter_map(|key| Some((key.clone(), around.labels.get(key)?.clone())))
                .collect(),
            source_namespace: facts
                .reads_source_namespace
                .then(|| proxy.namespace.clone()),
            passes_by_server_name: proxy.kind == ProxyType::Router
                && self
                    .gateways()
                    .pass_by_server_name(&self.gateways_of(proxy, around)),
            settings: proxy.settings.clone(),
        }
    }

    /// The Gateways that are for this workload.
    fn gateways_of(&self, proxy: &Proxy, around: &Surroundings) -> Vec<ResourceKey> {
        self.gateways()
            .selecting(&proxy.namespace, &around.labels, &around.hostnames())
    }

    fn inbound_view(&self, proxy: &Proxy, around: &Surroundings) -> InboundView {
        let sidecar = around
            .sidecar
            .as_ref()
            .filter(|sidecar| changes_inbound(&sidecar.spec));
        InboundView {
            dialect: proxy.dialect,
            namespace: proxy.namespace.clone(),
            ip_family: proxy.ip_family(),
            ports: around.inbound_ports(),
            authentication: self.peer_authentications().of_workload(
                &proxy.namespace,
                &around.labels,
                self.root_namespace(),
            ),
            own_addresses: match sidecar {
                Some(sidecar) if !sidecar.spec.ingress.is_empty() => proxy.addresses.clone(),
                _ => Vec::new(),
            },
            sidecar: sidecar.map(|sidecar| sidecar.key.clone()),
            settings: proxy.settings.clone(),
        }
    }
}

impl Surroundings {
    /// The ports that a sidecar receives traffic for: by target port, the oldest service first.
    fn inbound_ports(&self) -> Vec<InboundPort> {
        let mut found: Vec<_> = self
            .instances
            .iter()
            .filter_map(|(instance, service)| {
                let port = service.port_named(&instance.service_port)?;
                Some((instance.port, service, port))
            })
            .filter(|(_, _, port)| port.protocol != Protocol::Udp)
            .collect();
        found.sort_by(|(target_a, a, port_a), (target_b, b, port_b)| {
            (target_a, a.created, &a.hostname, &a.namespace, port_a.port).cmp(&(
                target_b,
                b.created,
                &b.hostname,
                &b.namespace,
                port_b.port,
            ))
        });
        found
            .into_iter()
            .map(|(target_port, service, port)| InboundPort {
                hostname: service.hostname.clone(),
                namespace: service.namespace.clone(),
                port: port.clone(),
                target_port,
            })
            .collect()
    }

    /// The proxy's addresses if it is a member of a headless service with ports that are not HTTP:
    /// it gets listeners for the other members.
    fn headless_addresses(&self, proxy: &Proxy) -> Vec<IpAddr> {
        let member = self.instances.iter().any(|(_, service)| {
            service.resolution == Resolution::Passthrough
                && service.ports.iter().any(|port| !port.protocol.is_http())
        });
        if member {
            proxy.addresses.clone()
        } else {
            Vec::new()
        }
    }

    /// The services that the workload serves.
    fn hostnames(&self) -> BTreeSet<Hostname> {
        let services = self.instances.iter().map(|(_, service)| service);
        services.map(|service| service.hostname.clone()).collect()
    }

    fn gateway_ports(&self) -> Vec<GatewayPort> {
        let ports: BTreeSet<GatewayPort> = self
            .instances
            .iter()
            .filter_map(|(instance, service)| {
                let port = service.port_named(&instance.service_port)?.port;
                Some(GatewayPort {
                    hostname: service.hostname.clone(),
                    port,
                    target_port: instance.port,
                })
            })
            .collect();
        ports.into_iter().collect()
    }
}

/// Whether a Sidecar says something about what its workloads reach.
fn narrows(sidecar: &Sidecar) -> bool {
    !sidecar.egress.is_empty() || sidecar.outbound_traffic_policy.is_some()
}

/// Whether a Sidecar says something about what its workloads receive.
fn changes_inbound(sidecar: &Sidecar) -> bool {
    !sidecar.ingress.is_empty() || sidecar.inbound_connection_pool.is_some()
}
