//! What the routes of a VirtualService depend on besides the VirtualService itself.

use ferromesh_config::kind::virtual_service::{Destination, HttpRetry, RouteSemantics};
use ferromesh_model::{GatewayRef, VirtualServiceEntry};
use ferromesh_proto::envoy::config::route::v3::route_action::HashPolicy;
use ferromesh_types::{Hostname, Labels, Namespace, Selector, Str};

use crate::names;

/// Who asks for the routes, and on which port.
pub(crate) struct RouteScope<'a> {
    /// The gateways that the asking side stands for: the mesh for a sidecar, Gateway objects
    /// otherwise.
    pub(crate) gateways: &'a [GatewayRef],
    /// The port that requests were sent to.
    pub(crate) port: u16,
    /// The client's labels, as far as routes read them.
    pub(crate) labels: &'a Labels,
    /// The client's namespace, if a route reads it.
    pub(crate) source_namespace: Option<&'a Namespace>,
    /// The retries of the mesh.
    pub(crate) default_retries: Option<&'a HttpRetry>,
    /// The cluster's domain, for short host names.
    pub(crate) domain: &'a str,
    /// What is known about destinations.
    pub(crate) destinations: &'a dyn Destinations,
}

/// What routes need to know about destinations.
pub(crate) trait Destinations {
    /// The port of a service that has only one.
    fn only_port(&self, host: &Hostname) -> Option<u16>;

    /// The hash keys of a destination with consistent hashing; none otherwise.
    fn hash_policy(&self, host: &Hostname, subset: &str, port: u16) -> Vec<HashPolicy>;
}

/// The object that routes come from.
#[derive(Clone, Copy)]
pub(crate) struct RouteOwner<'a> {
    /// Its namespace: short names are expanded there.
    pub(crate) namespace: &'a Namespace,
    /// Its name.
    pub(crate) name: &'a str,
    /// Whose rules its routes follow.
    pub(crate) semantics: RouteSemantics,
}

impl<'a> RouteOwner<'a> {
    /// The owner of the routes of a VirtualService.
    pub(crate) fn of(entry: &'a VirtualServiceEntry) -> Self {
        Self {
            namespace: entry.declared.namespace(),
            name: entry.declared.name(),
            semantics: entry.declared.spec.semantics,
        }
    }
}

/// A destination with everything filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The full host name.
    pub(crate) host: Hostname,
    /// The subset; empty for all endpoints.
    pub(crate) subset: Str,
    /// The port.
    pub(crate) port: u16,
}

impl Target {
    /// The name of its cluster; of a destination that may not be used, one that no cluster has.
    pub(crate) fn cluster(&self) -> String {
        if self.host.as_str().is_empty() {
            return names::UNKNOWN_SERVICE.to_owned();
        }
        names::outbound_cluster(self.port, &self.subset, &self.host)
    }
}

impl RouteScope<'_> {
    /// Fills in what a destination leaves out: a short name belongs to the owner's namespace, and
    /// the port is the service's only one, else the one that the request was sent to.
    pub(crate) fn target(&self, owner: RouteOwner<'_>, destination: &Destination) -> Target {
        let host = destination.host.expand(owner.namespace, self.domain);
        let port = destination
            .port
            .map(|port| port.number)
            .or_else(|| self.destinations.only_port(&host))
            .unwrap_or(self.port);
        Target {
            host,
            subset: destination.subset.clone(),
            port,
        }
    }

    /// Whether a condition's restrictions on the client and the gateway hold here. A list of
    /// gateways replaces the restrictions on the client.
    pub(crate) fn admits(
        &self,
        owner: RouteOwner<'_>,
        gateways: &[Str],
        labels: &Selector,
        namespace: &Str,
        port: Option<u16>,
    ) -> bool {
        if port.is_some_and(|port| port != self.port) {
            return false;
        }
        if !gateways.is_empty() {
            return gateways.iter().any(|gateway| self.is_here(owner, gateway));
        }
        let from_there = namespace.is_empty()
            || self
                .source_namespace
                .is_some_and(|source| source.as_str() == namespace.as_str());
        labels.matches(self.labels) && from_there
    }

    fn is_here(&self, owner: RouteOwner<'_>, gateway: &str) -> bool {
        self.gateways
            .contains(&GatewayRef::parse(gateway, owner.namespace))
    }
}
