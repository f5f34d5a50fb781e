//! What a route is attached to.

use ferromesh_config::kind::gateway_api::{GROUP, ParentReference};
use ferromesh_types::{Hostname, Namespace, Str};

use crate::grant::namespace_of;
use crate::listener::{BoundListener, RouteKind};
use crate::written::{Meta, Written};

/// A parent that takes a route.
#[derive(Debug)]
pub(crate) enum Parent<'a> {
    /// A listener, with the hosts that it shares with the route.
    Listener(&'a BoundListener<'a>, Vec<Hostname>),
    /// A service in the mesh.
    Mesh {
        /// Its host name.
        host: Hostname,
        /// Its namespace: routes from there are for every client.
        home: Namespace,
        /// The port; `None` for all.
        port: Option<u16>,
    },
}

/// A route as far as its parents count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attached<'a> {
    pub(crate) kind: RouteKind,
    pub(crate) meta: Meta<'a>,
    pub(crate) parents: &'a [ParentReference],
    pub(crate) hostnames: &'a [Str],
}

impl Attached<'_> {
    /// The parents that take the route.
    pub(crate) fn to<'b>(
        self,
        written: &Written,
        listeners: &'b [BoundListener<'b>],
    ) -> Vec<Parent<'b>> {
        let each = self.parents.iter().flat_map(|parent| {
            let namespace = namespace_of(&parent.namespace, self.meta.namespace());
            match (parent.group.as_str(), parent.kind.as_str()) {
                (GROUP, "Gateway") => self.to_gateway(written, listeners, parent, &namespace),
                ("" | "core", "Service") => to_service(written, parent, namespace),
                ("networking.istio.io", "ServiceEntry") => {
                    to_service_entry(written, parent, &namespace)
                }
                _ => Vec::new(),
            }
        });
        each.collect()
    }

    fn to_gateway<'b>(
        self,
        written: &Written,
        listeners: &'b [BoundListener<'b>],
        parent: &ParentReference,
        namespace: &Namespace,
    ) -> Vec<Parent<'b>> {
        let named = listeners.iter().filter(|bound| {
            bound.gateway.meta.namespace() == namespace
                && *bound.gateway.meta.name() == parent.name
                && (parent.section_name.is_empty() || parent.section_name == bound.listener.name)
                && parent.port.is_none_or(|port| port == bound.listener.port)
        });
        named
            .filter(|bound| bound.takes(self.kind) && bound.admits(written, self.meta.namespace()))
            .filter_map(|bound| {
                let hosts = self.shared_hosts(bound);
                (!hosts.is_empty()).then_some(Parent::Listener(bound, hosts))
            })
            .collect()
    }

    /// Of each host of the route what the listener takes; of two overlapping names the narrower.
    fn shared_hosts(self, bound: &BoundListener<'_>) -> Vec<Hostname> {
        let own = bound.hostname();
        if self.hostnames.is_empty() {
            return vec![own];
        }
        let mut shared: Vec<Hostname> = self
            .hostnames
            .iter()
            .map(|host| Hostname::from(host.as_str()))
            .filter_map(|host| {
                if host.is_covered_by(&own) {
                    Some(host)
                } else {
                    own.is_covered_by(&host).then(|| own.clone())
                }
            })
            .filter(|host| !bound.yields(host))
            .collect();
        shared.sort();
        shared.dedup();
        shared
    }
}

/// A port that the parent names counts by number; one that the Service does not have takes nothing.
fn to_service(
    written: &Written,
    parent: &ParentReference,
    home: Namespace,
) -> Vec<Parent<'static>> {
    let mut port = parent.port;
    if !parent.section_name.is_empty() {
        let service = written.service(&home, &parent.name);
        let named = service
            .into_iter()
            .flat_map(|service| &service.spec.ports)
            .find(|port| port.name == parent.section_name);
        match named {
            Some(found) if port.is_none_or(|port| port == found.port) => port = Some(found.port),
            _ => return Vec::new(),
        }
    }
    vec![Parent::Mesh {
        host: Hostname::from(parent.name.as_str()).expand(&home, &written.domain),
        home,
        port,
    }]
}

fn to_service_entry(
    written: &Written,
    parent: &ParentReference,
    home: &Namespace,
) -> Vec<Parent<'static>> {
    let entry = written.service_entry(home, &parent.name);
    let hosts = entry.into_iter().flat_map(|entry| &entry.hosts);
    hosts
        .map(|host| Parent::Mesh {
            host: host.clone(),
            home: home.clone(),
            port: parent.port,
        })
        .collect()
}
