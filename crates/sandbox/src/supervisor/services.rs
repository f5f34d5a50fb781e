//! What a service resolves to: cluster addresses, names, and which pod holds which load balancer.
//! Pure; the supervisor acts on it.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::address::{Pool, Range};
use crate::dns::ServiceNames;
use crate::kubernetes::{Pod, PortRef, Service};
use crate::network::balancer::{BalancerAddress, Transport};
use crate::network::services::ServiceRoute;
use crate::system::SYSTEM_NAMESPACE;

/// A pod as services see it.
#[derive(Clone, Debug)]
pub(super) struct Backend<'a> {
    pub(super) uid: &'a str,
    pub(super) pod: &'a Pod,
    pub(super) ip: Ipv4Addr,
    pub(super) ready: bool,
    pub(super) leaving: bool,
}

/// The addresses of services; kept while the service exists.
#[derive(Debug)]
pub(super) struct ServiceAddresses {
    clusters: Pool,
    balancers: Pool,
    cluster_ips: HashMap<(String, String), Ipv4Addr>,
    balancer_ips: BTreeMap<(String, String), Ipv4Addr>,
    /// Which pod holds the address.
    holders: HashMap<Ipv4Addr, String>,
}

fn name_of(service: &Service) -> (String, String) {
    (
        service.metadata.namespace.clone(),
        service.metadata.name.clone(),
    )
}

impl ServiceAddresses {
    pub(super) fn new(clusters: Range, balancers: Range) -> Self {
        Self {
            clusters: Pool::new(clusters),
            balancers: Pool::new(balancers),
            cluster_ips: HashMap::new(),
            balancer_ips: BTreeMap::new(),
            holders: HashMap::new(),
        }
    }

    /// Gives every service what it needs and takes back what no service has any more. Returns what
    /// could not be had.
    pub(super) fn update(&mut self, services: &[Service]) -> Vec<String> {
        let mut problems = Vec::new();
        self.release_gone(services);
        for service in services {
            let (spec, name) = (&service.spec, name_of(service));
            if !spec.is_headless()
                && !spec.is_external_name()
                && let Err(reason) = self.give_cluster_ip(service, &name)
            {
                problems.push(format!("Service {}/{}: {reason}", name.0, name.1));
            }
            if spec.is_load_balancer() && !self.balancer_ips.contains_key(&name) {
                match take(&mut self.balancers, &spec.load_balancer_ip) {
                    Ok(address) => {
                        self.balancer_ips.insert(name, address);
                    }
                    Err(reason) => problems.push(format!(
                        "Service {}/{}: spec.loadBalancerIP: {reason}",
                        name.0, name.1
                    )),
                }
            }
        }
        problems
    }

    fn give_cluster_ip(
        &mut self,
        service: &Service,
        name: &(String, String),
    ) -> Result<(), String> {
        if self.cluster_ips.contains_key(name) {
            return Ok(());
        }
        let wanted = &service.spec.cluster_ip;
        let address = match wanted.parse() {
            // A service may name any address as its own: nothing routes it, the proxies match it.
            Ok(address) => {
                self.clusters.take_wanted(address);
                address
            }
            Err(_) if wanted.is_empty() => {
                self.clusters.take().map_err(|error| error.to_string())?
            }
            Err(_) => return Err(format!("spec.clusterIP: {wanted:?} is not an IPv4 address")),
        };
        self.cluster_ips.insert(name.clone(), address);
        Ok(())
    }

    fn release_gone(&mut self, services: &[Service]) {
        let exists = |name: &(String, String), wanted: &dyn Fn(&Service) -> bool| {
            services
                .iter()
                .any(|service| name_of(service) == *name && wanted(service))
        };
        let clusters = &mut self.clusters;
        self.cluster_ips.retain(|name, address| {
            let keeps = exists(name, &|service| {
                let own = &service.spec.cluster_ip;
                own.is_empty() || *own == address.to_string()
            });
            if !keeps {
                clusters.release(*address);
            }
            keeps
        });
        let (balancers, holders) = (&mut self.balancers, &mut self.holders);
        self.balancer_ips.retain(|name, address| {
            let keeps = exists(name, &|service| {
                let own = &service.spec.load_balancer_ip;
                service.spec.is_load_balancer() && (own.is_empty() || *own == address.to_string())
            });
            if !keeps {
                balancers.release(*address);
                holders.remove(address);
            }
            keeps
        });
    }

    /// The cluster address of a service.
    pub(super) fn cluster_ip(&self, service: &Service) -> Option<Ipv4Addr> {
        self.cluster_ips.get(&name_of(service)).copied()
    }

    /// The load balancer address of a service.
    pub(super) fn balancer_ip(&self, service: &Service) -> Option<Ipv4Addr> {
        self.balancer_ips.get(&name_of(service)).copied()
    }

    /// The pod that holds a load balancer address.
    pub(super) fn holder(&self, address: Ipv4Addr) -> Option<&str> {
        self.holders.get(&address).map(String::as_str)
    }

    /// Decides which pod holds which load balancer addresses: a ready one of the service, and the
    /// same as before as long as it is ready. By uid.
    pub(super) fn place_balancers(
        &mut self,
        services: &[Service],
        backends: &[Backend<'_>],
    ) -> HashMap<String, Vec<BalancerAddress>> {
        let mut placed: HashMap<String, Vec<BalancerAddress>> = HashMap::new();
        for service in services {
            let Some(address) = self.balancer_ip(service) else {
                continue;
            };
            let able: Vec<_> = backends
                .iter()
                .filter(|b| b.ready && !b.leaving && is_of(service, b))
                .collect();
            let held = self.holders.get(&address);
            let stays = able
                .iter()
                .find(|backend| Some(backend.uid) == held.map(String::as_str));
            let Some(backend) = stays.or_else(|| able.first()) else {
                self.holders.remove(&address);
                continue;
            };
            self.holders.insert(address, backend.uid.to_owned());
            placed
                .entry(backend.uid.to_owned())
                .or_default()
                .push(BalancerAddress {
                    address,
                    ports: redirections(service, backend.pod),
                });
        }
        placed
    }
}

fn take(pool: &mut Pool, wanted: &str) -> Result<Ipv4Addr, String> {
    if wanted.is_empty() {
        return pool.take().map_err(|error| error.to_string());
    }
    let address = wanted
        .parse()
        .map_err(|_| format!("{wanted:?} is not an IPv4 address"))?;
    if pool.take_wanted(address) {
        return Ok(address);
    }
    Err(format!(
        "{wanted} is taken or outside the load balancers' range"
    ))
}

fn is_of(service: &Service, backend: &Backend<'_>) -> bool {
    let metadata = &backend.pod.metadata;
    metadata.namespace == service.metadata.namespace && service.spec.selects(&metadata.labels)
}

fn redirections(service: &Service, pod: &Pod) -> Vec<(Transport, u16, u16)> {
    let ports = service.spec.ports.iter();
    ports
        .filter_map(|port| {
            let transport = Transport::parse(&port.protocol)?;
            Some((
                transport,
                port.port,
                target_port(port.port, port.target_port.as_ref(), pod)?,
            ))
        })
        .collect()
}

/// The pod's port that a service port leads to.
fn target_port(port: u16, target: Option<&PortRef>, pod: &Pod) -> Option<u16> {
    match target {
        None => Some(port),
        Some(PortRef::Number(number)) => Some(*number),
        Some(PortRef::Name(name)) => {
            let all = pod.spec.containers.iter().chain(&pod.spec.init_containers);
            let mut ports = all.flat_map(|container| &container.ports);
            let named = ports.find(|declared| declared.name == *name);
            named
                .map(|declared| declared.container_port)
                .or_else(|| name.parse().ok())
        }
    }
}

/// What a service's names stand for.
pub(super) fn names(
    service: &Service,
    cluster_ip: Option<Ipv4Addr>,
    backends: &[Backend<'_>],
) -> ServiceNames {
    let spec = &service.spec;
    let (name, namespace) = (&service.metadata.name, &service.metadata.namespace);
    let listed: Vec<_> = backends
        .iter()
        .filter(|backend| is_listed(service, backend))
        .collect();
    let named = listed
        .iter()
        .filter(|backend| backend.pod.spec.subdomain == *name);
    ServiceNames {
        name: name.clone(),
        namespace: namespace.clone(),
        cluster_ip: cluster_ip.filter(|_| !spec.is_headless()),
        pods: listed.iter().map(|backend| backend.ip).collect(),
        named_pods: named
            .map(|b| (crate::plan::container::host_name(b.pod).to_owned(), b.ip))
            .collect(),
        external_name: spec.is_external_name().then(|| spec.external_name.clone()),
        always_pods: namespace == SYSTEM_NAMESPACE && name == "istiod",
    }
}

/// Where the cluster addresses of `services` lead.
pub(super) fn routes(
    services: &[Service],
    addresses: &ServiceAddresses,
    backends: &[Backend<'_>],
) -> Vec<ServiceRoute> {
    let mut routes = Vec::new();
    for service in services
        .iter()
        .filter(|service| !service.spec.is_headless())
    {
        let Some(address) = addresses.cluster_ip(service) else {
            continue;
        };
        for port in &service.spec.ports {
            let Some(transport) = Transport::parse(&port.protocol) else {
                continue;
            };
            let listed = backends
                .iter()
                .filter(|backend| is_listed(service, backend));
            let targets = listed.filter_map(|backend| {
                let target = target_port(port.port, port.target_port.as_ref(), backend.pod)?;
                Some((backend.ip, target))
            });
            routes.push(ServiceRoute {
                address,
                transport,
                port: port.port,
                targets: targets.collect(),
            });
        }
    }
    routes
}

/// Whether the service's names and addresses lead to this pod now.
fn is_listed(service: &Service, backend: &Backend<'_>) -> bool {
    let able = backend.ready && !backend.leaving;
    is_of(service, backend) && (able || service.spec.publish_not_ready_addresses)
}

/// The Service object with its addresses filled in, as the API server would show it.
pub(super) fn completed(
    object: &Value,
    cluster_ip: Option<Ipv4Addr>,
    balancer_ip: Option<Ipv4Addr>,
) -> Value {
    let mut object = object.clone();
    if let Some(address) = cluster_ip {
        object["spec"]["clusterIP"] = json!(address.to_string());
        object["spec"]["clusterIPs"] = json!([address.to_string()]);
    }
    if let Some(address) = balancer_ip {
        object["status"] = json!({"loadBalancer": {"ingress": [{"ip": address.to_string()}]}});
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(spec: Value) -> Service {
        let object = json!({"metadata": {"name": "gw", "namespace": "n"}, "spec": spec});
        serde_json::from_value(object).expect("a readable service")
    }

    fn pod(name: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": "gw"}},
            "spec": {"containers": [{"name": "c",
                "ports": [{"name": "http", "containerPort": 8080}]}]}}))
        .expect("a readable pod")
    }

    fn addresses() -> ServiceAddresses {
        let range = |text| Range::parse(text).expect("a valid range");
        ServiceAddresses::new(range("10.96.0.0/16"), range("172.18.100.0/24"))
    }

    fn backend(pod: &Pod, ready: bool) -> Backend<'_> {
        Backend {
            uid: &pod.metadata.uid,
            pod,
            ip: Ipv4Addr::new(10, 244, 0, 2),
            ready,
            leaving: false,
        }
    }

    #[test]
    fn a_service_keeps_its_addresses_until_it_goes() {
        let mut addresses = addresses();
        let services = [service(json!({"type": "LoadBalancer"}))];
        assert!(addresses.update(&services).is_empty());
        let first = (
            addresses.cluster_ip(&services[0]),
            addresses.balancer_ip(&services[0]),
        );
        addresses.update(&services);
        assert_eq!(
            first,
            (
                addresses.cluster_ip(&services[0]),
                addresses.balancer_ip(&services[0])
            )
        );
        addresses.update(&[]);
        assert_eq!(addresses.balancer_ip(&services[0]), None);
    }

    #[test]
    fn a_balancer_moves_only_when_its_pod_is_not_ready() {
        let mut addresses = addresses();
        let spec = json!({"type": "LoadBalancer", "selector": {"app": "gw"},
            "ports": [{"port": 80, "targetPort": "http"}]});
        let services = [service(spec)];
        addresses.update(&services);
        let (a, b) = (pod("a"), pod("b"));
        let placed = addresses.place_balancers(&services, &[backend(&a, false), backend(&b, true)]);
        assert_eq!(placed["b"][0].ports, [(Transport::Tcp, 80, 8080)]);
        let placed = addresses.place_balancers(&services, &[backend(&a, true), backend(&b, true)]);
        assert!(placed.contains_key("b") && !placed.contains_key("a"));
        let placed = addresses.place_balancers(&services, &[backend(&a, true), backend(&b, false)]);
        assert!(placed.contains_key("a"));
    }

    #[test]
    fn names_list_ready_pods_and_a_wrong_address_is_reported() {
        let web = service(json!({"selector": {"app": "gw"}, "clusterIP": "x"}));
        let (a, b) = (pod("a"), pod("b"));
        let names = names(&web, None, &[backend(&a, false), backend(&b, true)]);
        assert_eq!(names.pods.len(), 1);
        let problems = addresses().update(&[web]);
        assert!(problems[0].contains("spec.clusterIP"), "{problems:?}");
    }
}
