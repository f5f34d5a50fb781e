//! The cluster's names and their addresses. Pure; replaced whole when something changes.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// One service and what its names stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceNames {
    /// Name of the service.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its cluster address; none when it is headless.
    pub cluster_ip: Option<Ipv4Addr>,
    /// The addresses of its ready pods.
    pub pods: Vec<Ipv4Addr>,
    /// Pods that have names of their own below the service's.
    pub named_pods: Vec<(String, Ipv4Addr)>,
    /// The name that it is an alias of.
    pub external_name: Option<String>,
    /// Always answer with pods: proxies themselves look it up, whose traffic is not captured.
    pub always_pods: bool,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These addresses; empty when the name exists without any.
    Addresses(Vec<Ipv4Addr>),
    /// Another name.
    Alias(String),
    /// A name of the cluster that does not exist.
    Unknown,
    /// Not a name of the cluster.
    Foreign,
}

/// All names of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    domain: String,
    services: HashMap<String, ServiceNames>,
    captured: HashSet<Ipv4Addr>,
    /// Counts up so that repeated answers begin with different pods.
    generation: u64,
}

impl Zone {
    /// The zone of `services` under `domain`; `captured` are pods with a sidecar.
    pub fn new(
        domain: &str,
        services: Vec<ServiceNames>,
        captured: HashSet<Ipv4Addr>,
        generation: u64,
    ) -> Self {
        let key = |service: &ServiceNames| format!("{}.{}", service.name, service.namespace);
        Self {
            domain: domain.to_owned(),
            services: services
                .into_iter()
                .map(|service| (key(&service), service))
                .collect(),
            captured,
            generation,
        }
    }

    /// What `name` (lower case, no final dot) stands for to the client at `asking`.
    pub fn resolve(&self, name: &str, asking: Option<Ipv4Addr>) -> Answer {
        let Some(inside) = self.inside(name) else {
            return Answer::Foreign;
        };
        // Right to left: namespace, service, and for a pod of a service its host name.
        let parts: Vec<&str> = inside.rsplitn(3, '.').collect();
        let [namespace, service, rest @ ..] = parts.as_slice() else {
            return Answer::Unknown;
        };
        let Some(service) = self.services.get(&format!("{service}.{namespace}")) else {
            return Answer::Unknown;
        };
        match rest.first() {
            None => self.of_service(service, asking),
            Some(host) => {
                let found: Vec<_> = service
                    .named_pods
                    .iter()
                    .filter(|(pod, _)| pod == host)
                    .collect();
                if found.is_empty() {
                    return Answer::Unknown;
                }
                Answer::Addresses(found.into_iter().map(|(_, ip)| *ip).collect())
            }
        }
    }

    /// The part of `name` before `.svc.cluster.local`. `name.namespace.svc` is a full name too:
    /// proxies use it, and no public name ends in `.svc`.
    fn inside<'a>(&self, name: &'a str) -> Option<&'a str> {
        let below = name
            .strip_suffix(&self.domain)
            .and_then(|name| name.strip_suffix('.'));
        match below {
            Some(below) => Some(below.strip_suffix(".svc").unwrap_or("")),
            None => name.strip_suffix(".svc"),
        }
    }

    fn of_service(&self, service: &ServiceNames, asking: Option<Ipv4Addr>) -> Answer {
        if let Some(alias) = &service.external_name {
            return Answer::Alias(alias.clone());
        }
        let captured = asking.is_some_and(|ip| self.captured.contains(&ip));
        match service.cluster_ip {
            Some(address) if captured && !service.always_pods => Answer::Addresses(vec![address]),
            _ => {
                let mut pods = service.pods.clone();
                if !pods.is_empty() {
                    let first = (self.generation % pods.len() as u64) as usize;
                    pods.rotate_left(first);
                }
                Answer::Addresses(pods)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 5);
    const CLUSTER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 5);
    const CAPTURED: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 9);

    fn zone() -> Zone {
        let web = ServiceNames {
            name: "web".into(),
            namespace: "shop".into(),
            cluster_ip: Some(CLUSTER),
            pods: vec![POD],
            ..ServiceNames::default()
        };
        let db = ServiceNames {
            name: "db".into(),
            namespace: "shop".into(),
            pods: vec![POD],
            named_pods: vec![("db-0".into(), POD)],
            ..ServiceNames::default()
        };
        let out = ServiceNames {
            name: "out".into(),
            namespace: "shop".into(),
            external_name: Some("example.com".into()),
            ..ServiceNames::default()
        };
        Zone::new("cluster.local", vec![web, db, out], [CAPTURED].into(), 0)
    }

    #[test]
    fn a_captured_pod_gets_the_cluster_address_and_others_the_pods() {
        let name = "web.shop.svc.cluster.local";
        assert_eq!(
            zone().resolve(name, Some(CAPTURED)),
            Answer::Addresses(vec![CLUSTER])
        );
        assert_eq!(
            zone().resolve(name, Some(POD)),
            Answer::Addresses(vec![POD])
        );
        assert_eq!(zone().resolve(name, None), Answer::Addresses(vec![POD]));
        assert_eq!(
            zone().resolve("web.shop.svc", None),
            Answer::Addresses(vec![POD])
        );
    }

    #[test]
    fn headless_pods_have_names_of_their_own() {
        let zone = zone();
        let pods = Answer::Addresses(vec![POD]);
        assert_eq!(
            zone.resolve("db.shop.svc.cluster.local", Some(CAPTURED)),
            pods
        );
        assert_eq!(zone.resolve("db-0.db.shop.svc.cluster.local", None), pods);
        assert_eq!(
            zone.resolve("db-1.db.shop.svc.cluster.local", None),
            Answer::Unknown
        );
    }

    #[test]
    fn only_names_of_the_cluster_are_answered_here() {
        let zone = zone();
        assert_eq!(zone.resolve("example.com", None), Answer::Foreign);
        assert_eq!(
            zone.resolve("none.shop.svc.cluster.local", None),
            Answer::Unknown
        );
        assert_eq!(
            zone.resolve("example.com.shop.svc.cluster.local", None),
            Answer::Unknown
        );
        assert_eq!(zone.resolve("x.cluster.local", None), Answer::Unknown);
        assert_eq!(
            zone.resolve("out.shop.svc.cluster.local", None),
            Answer::Alias("example.com".into())
        );
    }
}
