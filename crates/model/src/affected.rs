//! What a change of the mesh makes necessary to send again.
//!
//! The push reads this before it asks for anything: a proxy, a view, an xDS type or a resource
//! that is not named here is what it was before. The lists err on the side of too much, never of
//! too little.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ferromesh_types::{Hostname, Namespace};

use crate::{Proxy, ProxyType};

/// The host names whose resources of one xDS type are to be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Those of these host names; none if the set is empty.
    Only(BTreeSet<Hostname>),
    /// All.
    All,
}

impl Default for Hosts {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Hosts {
    /// Whether nothing is to be made again.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Only(hosts) if hosts.is_empty())
    }

    /// Whether resources of this host name are to be made again.
    pub fn contains(&self, host: &Hostname) -> bool {
        match self {
            Self::All => true,
            Self::Only(hosts) => hosts.contains(host),
        }
    }

    /// Adds one host name.
    pub fn add(&mut self, host: &Hostname) {
        if let Self::Only(hosts) = self {
            hosts.insert(host.clone());
        }
    }

    /// Adds what `other` names.
    pub fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Only(mine), Self::Only(theirs)) => mine.extend(theirs),
        }
    }
}

/// The namespaces whose proxies a change can concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Those; none if the set is empty.
    Only(BTreeSet<Namespace>),
    /// All.
    All,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Namespaces {
    /// Whether proxies of this namespace can be concerned.
    pub fn contains(&self, namespace: &Namespace) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }

    /// Whether no namespace is named.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
    }

    /// Adds one namespace.
    pub fn add(&mut self, namespace: &Namespace) {
        if let Self::Only(names) = self {
            names.insert(namespace.clone());
        }
    }

    /// Adds what `other` names.
    pub fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Only(mine), Self::Only(theirs)) => mine.extend(theirs),
        }
    }
}

/// What has to be made and sent again after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// The proxies that can be concerned by `clusters`, `endpoints`, `listeners`, `routes` and
    /// `names`, by namespace.
    pub namespaces: Namespaces,
    /// Outbound clusters, by service host name.
    pub clusters: Hosts,
    /// Endpoints, by service host name.
    pub endpoints: Hosts,
    /// Outbound listeners of sidecars, by service host name. One listener serves many hosts, so
    /// this tells only whether listeners are to be looked at.
    pub listeners: Hosts,
    /// Routes of sidecars and gateways, by host name of the service or VirtualService.
    pub routes: Hosts,
    /// The name table.
    pub names: Hosts,
    /// Listeners and routes of gateways; their view must be made again.
    pub gateways: bool,
    /// Inbound listeners and clusters of the sidecars in these namespaces; their view must be made
    /// again, and what was generated for it too.
    pub inbound: Namespaces,
    /// Workloads at these addresses: the views of the proxies there must be made again.
    pub workloads: BTreeSet<IpAddr>,
    /// Secrets that proxies of these namespaces may read.
    pub secrets: Namespaces,
    /// The views of all proxies must be made again: a Sidecar, or what views distinguish, changed.
    pub views: bool,
}

impl Affected {
    /// Everything, for everybody.
    pub fn everything() -> Self {
        Self {
            namespaces: Namespaces::All,
            clusters: Hosts::All,
            endpoints: Hosts::All,
            listeners: Hosts::All,
            routes: Hosts::All,
            names: Hosts::All,
            gateways: true,
            inbound: Namespaces::All,
            workloads: BTreeSet::new(),
            secrets: Namespaces::All,
            views: true,
        }
    }

    /// Whether nothing is to be sent.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether only endpoints are concerned: apart from the proxies at `workloads`, nothing else
    /// needs to be looked at.
    pub fn is_endpoints_only(&self) -> bool {
        let endpoints = Self {
            namespaces: self.namespaces.clone(),
            endpoints: self.endpoints.clone(),
            workloads: self.workloads.clone(),
            ..Self::default()
        };
        !self.endpoints.is_none() && *self == endpoints
    }

    /// Whether the view of a proxy must be made again.
    pub fn changes_view_of(&self, proxy: &Proxy) -> bool {
        let own = match proxy.kind {
            ProxyType::Sidecar => self.inbound.contains(&proxy.namespace),
            ProxyType::Router => self.gateways,
        };
        let mut at = proxy.addresses.iter();
        self.views || own || at.any(|address| self.workloads.contains(address))
    }

    /// Adds what another change makes necessary.
    pub fn merge(&mut self, other: Self) {
        self.namespaces.merge(other.namespaces);
        self.clusters.merge(other.clusters);
        self.endpoints.merge(other.endpoints);
        self.listeners.merge(other.listeners);
        self.routes.merge(other.routes);
        self.names.merge(other.names);
        self.gateways |= other.gateways;
        self.inbound.merge(other.inbound);
        self.workloads.extend(other.workloads);
        self.secrets.merge(other.secrets);
        self.views |= other.views;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_the_wider_of_two_changes() {
        let mut a = Affected::default();
        a.routes.add(&Hostname::from("a"));
        let mut b = Affected {
            routes: Hosts::All,
            ..Affected::default()
        };
        b.namespaces.add(&Namespace::from("shop"));
        a.merge(b);
        assert_eq!(a.routes, Hosts::All);
        assert!(a.namespaces.contains(&Namespace::from("shop")));
        assert!(!a.namespaces.contains(&Namespace::from("other")));
    }

    #[test]
    fn a_change_of_endpoints_alone_is_recognised() {
        let mut change = Affected {
            namespaces: Namespaces::All,
            ..Affected::default()
        };
        assert!(!change.is_endpoints_only());
        change.endpoints.add(&Hostname::from("a"));
        assert!(change.is_endpoints_only());
        change.workloads.insert([10, 0, 0, 1].into());
        assert!(change.is_endpoints_only());
        change.names = Hosts::All;
        assert!(!change.is_endpoints_only());
    }
}
