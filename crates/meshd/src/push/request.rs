//! What has to be looked at for a proxy, merged while it waits.

use std::sync::Arc;

use ferromesh_model::{Affected, Proxy, ProxyType};
use ferromesh_proto::type_url;
use tokio::time::Instant;

/// A push that waits for its turn. Two that wait for the same proxy become one.
#[derive(Clone, Debug)]
pub(crate) struct PushRequest {
    /// What the changes since the last push concern.
    pub(crate) affected: Arc<Affected>,
    /// When the oldest of the changes was heard of.
    pub(crate) since: Instant,
}

impl PushRequest {
    /// Adds a later request.
    pub(crate) fn merge(&mut self, later: Self) {
        let mut affected = (*self.affected).clone();
        affected.merge((*later.affected).clone());
        self.affected = Arc::new(affected);
        self.since = self.since.min(later.since);
    }
}

/// Whether a change concerns this proxy at all.
pub(crate) fn concerns(affected: &Affected, proxy: &Proxy) -> bool {
    affected.namespaces.contains(&proxy.namespace)
        || (affected.gateways && proxy.kind == ProxyType::Router)
        || changes_view(affected, proxy)
        || affected.secrets.contains(&proxy.namespace)
}

/// Whether the proxy's view has to be made again.
pub(crate) fn changes_view(affected: &Affected, proxy: &Proxy) -> bool {
    // The gateways that select a proxy, and the ports they are bound to, are part of its view.
    (affected.gateways && proxy.kind == ProxyType::Router) || affected.changes_view_of(proxy)
}

/// Whether resources of this type can differ for this proxy, its view being the same.
pub(crate) fn touches(affected: &Affected, type_url: &str, proxy: &Proxy) -> bool {
    let router = proxy.kind == ProxyType::Router;
    let seen = affected.namespaces.contains(&proxy.namespace);
    let inbound = !router && affected.inbound.contains(&proxy.namespace);
    match type_url {
        type_url::CLUSTER => inbound || (seen && !affected.clusters.is_none()),
        type_url::ENDPOINT => seen && !affected.endpoints.is_none(),
        type_url::LISTENER if router => affected.gateways,
        type_url::LISTENER => inbound || (seen && !affected.listeners.is_none()),
        type_url::ROUTE if router => affected.gateways,
        type_url::ROUTE => seen && !affected.routes.is_none(),
        type_url::NAME_TABLE => seen && !affected.names.is_none(),
        type_url::SECRET => affected.secrets.contains(&proxy.namespace),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromesh_model::{Hosts, Namespaces};
    use ferromesh_types::{Hostname, Namespace};

    fn proxy(kind: &str) -> Proxy {
        Proxy::from_id(&format!("{kind}~10.0.0.1~a.shop~shop.svc.cluster.local")).expect("an id")
    }

    #[test]
    fn a_route_edit_touches_routes_only() {
        let mut affected = Affected {
            namespaces: Namespaces::All,
            ..Affected::default()
        };
        affected.routes.add(&Hostname::from("a"));
        let sidecar = proxy("sidecar");
        assert!(concerns(&affected, &sidecar) && !changes_view(&affected, &sidecar));
        assert!(touches(&affected, type_url::ROUTE, &sidecar));
        assert!(!touches(&affected, type_url::CLUSTER, &sidecar));
        assert!(!touches(&affected, type_url::LISTENER, &sidecar));
    }

    #[test]
    fn a_change_that_only_other_namespaces_see_concerns_nobody_here() {
        let mut affected = Affected {
            routes: Hosts::All,
            ..Affected::default()
        };
        affected.namespaces.add(&Namespace::from("elsewhere"));
        assert!(!concerns(&affected, &proxy("sidecar")));
        affected.gateways = true;
        assert!(concerns(&affected, &proxy("router")));
        assert!(!concerns(&affected, &proxy("sidecar")));
    }
}
