//! The parts: a generator and the view that it is a function of.

use std::sync::Arc;

use ferromesh_model::{
    Affected, GatewayView, Hosts, InboundView, ListenerView, OutboundView, RouteView, Snapshot,
};
use ferromesh_proto::type_url;
use ferromesh_translate::{self as translate, Resource};
use ferromesh_types::{Namespace, Str};

/// One generator with its input; also the key that its output is shared under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Clusters(Arc<OutboundView>),
    InboundClusters(Arc<InboundView>),
    Endpoints(Arc<OutboundView>),
    Listeners(Arc<ListenerView>),
    InboundListeners(Arc<InboundView>),
    GatewayListeners(Arc<GatewayView>),
    Routes(Arc<RouteView>),
    GatewayRoutes(Arc<GatewayView>),
    Names(Arc<OutboundView>),
    Secrets(Namespace),
}

impl Part {
    /// The type of its resources.
    pub(super) fn type_url(&self) -> &'static str {
        match self {
            Self::Clusters(_) | Self::InboundClusters(_) => type_url::CLUSTER,
            Self::Endpoints(_) => type_url::ENDPOINT,
            Self::Listeners(_) | Self::InboundListeners(_) | Self::GatewayListeners(_) => {
                type_url::LISTENER
            }
            Self::Routes(_) | Self::GatewayRoutes(_) => type_url::ROUTE,
            Self::Names(_) => type_url::NAME_TABLE,
            Self::Secrets(_) => type_url::SECRET,
        }
    }

    /// What of it a change can concern.
    pub(super) fn touched_by(&self, affected: &Affected) -> Hosts {
        let all_if = |touched: bool| {
            if touched {
                Hosts::All
            } else {
                Hosts::default()
            }
        };
        match self {
            Self::Clusters(view) => seen(view, affected, &affected.clusters),
            Self::Endpoints(view) => seen(view, affected, &affected.endpoints),
            Self::Listeners(view) => {
                all_if(!seen(&view.outbound, affected, &affected.listeners).is_none())
            }
            Self::Routes(view) => {
                all_if(affected.namespaces.contains(&view.namespace) && !affected.routes.is_none())
            }
            Self::Names(view) => all_if(!seen(view, affected, &affected.names).is_none()),
            Self::InboundClusters(view) | Self::InboundListeners(view) => {
                all_if(affected.inbound.contains(&view.namespace))
            }
            Self::GatewayListeners(_) | Self::GatewayRoutes(_) => all_if(affected.gateways),
            Self::Secrets(namespace) => all_if(affected.secrets.contains(namespace)),
        }
    }

    /// Every resource.
    pub(super) fn generate(&self, snapshot: &Snapshot) -> Vec<Resource> {
        match self {
            Self::Clusters(view) => translate::clusters(snapshot, view),
            Self::InboundClusters(view) => translate::inbound_clusters(snapshot, view),
            Self::Listeners(view) => translate::outbound_listeners(snapshot, view),
            Self::InboundListeners(view) => translate::inbound_listeners(snapshot, view),
            Self::GatewayListeners(view) => translate::gateway_listeners(snapshot, view),
            Self::Names(view) => translate::name_table(snapshot, view),
            Self::Endpoints(_) | Self::Routes(_) | Self::GatewayRoutes(_) | Self::Secrets(_) => {
                Vec::new()
            }
        }
    }

    /// The resources of some hosts, where the generator can make them alone.
    pub(super) fn generate_hosts(
        &self,
        snapshot: &Snapshot,
        hosts: &Hosts,
    ) -> Option<Vec<Resource>> {
        match (self, hosts) {
            (Self::Clusters(view), Hosts::Only(hosts)) => {
                Some(translate::clusters_of(snapshot, view, hosts))
            }
            _ => None,
        }
    }

    /// The resources with these names.
    pub(super) fn generate_named(&self, snapshot: &Snapshot, names: &[Str]) -> Vec<Resource> {
        match self {
            Self::Endpoints(view) => translate::endpoints(snapshot, view, names),
            Self::Routes(view) => translate::sidecar_routes(snapshot, view, names),
            Self::GatewayRoutes(view) => translate::gateway_routes(snapshot, view, names),
            Self::Secrets(namespace) => translate::secrets(snapshot, namespace, names),
            _ => Vec::new(),
        }
    }
}

/// What of `hosts` the proxies with this view can see.
fn seen(view: &OutboundView, affected: &Affected, hosts: &Hosts) -> Hosts {
    match &view.scope.namespace {
        // Who sees what all see hears of every change; what only some see makes other views.
        Some(namespace) if !affected.namespaces.contains(namespace) => Hosts::default(),
        _ => hosts.clone(),
    }
}

/// The host that a resource name such as `outbound|80|v1|host` is about.
pub(super) fn host_in(name: &str) -> Option<&str> {
    name.rsplit_once('|')
        .map(|(_, host)| host)
        .or_else(|| name.rsplit_once("_.").map(|(_, host)| host))
}
