//! The mesh at one moment.
//!
//! A snapshot never changes. The next one shares with it everything that is the same; when only
//! endpoints moved, that is everything but the endpoint index.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ferromesh_config::mesh::MeshConfig;
use ferromesh_registry::{EndpointIndex, Service, SharedMap, Workload};
use ferromesh_types::{ClusterId, Generation, Hostname, Namespace, Str};

use crate::distinction::Distinction;
use crate::index::destination_rule::{DestinationRuleIndex, MergedRule};
use crate::index::gateway::{GatewayIndex, MergedGateways};
use crate::index::peer_authentication::PeerAuthenticationIndex;
use crate::index::secret::SecretIndex;
use crate::index::service::ServiceIndex;
use crate::index::sidecar::SidecarIndex;
use crate::index::virtual_service::{GatewayRef, VirtualServiceEntry, VirtualServiceIndex};
use crate::scope::Scope;
use crate::{GatewayView, MtlsMode, OutboundView, ScopeKey};

/// What the process that holds the model was told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshSettings {
    /// The DNS domain of the cluster: `cluster.local`.
    pub domain: Str,
    /// The cluster that the config comes from.
    pub cluster: ClusterId,
    /// Where the ConfigMap `istio` is read, `istio-system`.
    pub control_plane_namespace: Namespace,
}

impl Default for MeshSettings {
    fn default() -> Self {
        Self {
            domain: "cluster.local".into(),
            cluster: ClusterId::from("Kubernetes"),
            control_plane_namespace: Namespace::from("istio-system"),
        }
    }
}

/// Everything but endpoints and workloads.
#[derive(Clone, Debug)]
pub(crate) struct Indices {
    pub(crate) settings: Arc<MeshSettings>,
    pub(crate) mesh: Arc<MeshConfig>,
    pub(crate) root: Namespace,
    pub(crate) services: Arc<ServiceIndex>,
    pub(crate) virtual_services: Arc<VirtualServiceIndex>,
    pub(crate) destination_rules: Arc<DestinationRuleIndex>,
    pub(crate) gateways: Arc<GatewayIndex>,
    pub(crate) sidecars: Arc<SidecarIndex>,
    pub(crate) peer_authentications: Arc<PeerAuthenticationIndex>,
    pub(crate) secrets: Arc<SecretIndex>,
    pub(crate) distinction: Arc<Distinction>,
}

/// The scopes made so far. A memo, not state: a scope is a function of the indices.
#[derive(Debug, Default)]
pub(crate) struct ScopeMemo(Mutex<HashMap<ScopeKey, Arc<Scope>>>);

/// The mesh at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) generation: Generation,
    pub(crate) indices: Indices,
    pub(crate) endpoints: Arc<EndpointIndex>,
    pub(crate) workloads: SharedMap<IpAddr, Arc<Workload>>,
    pub(crate) scopes: Arc<ScopeMemo>,
}

impl Snapshot {
    /// The number of this state of the mesh.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// What the process was told at its start.
    pub fn settings(&self) -> &MeshSettings {
        &self.indices.settings
    }

    /// The mesh config in force.
    pub fn mesh(&self) -> &Arc<MeshConfig> {
        &self.indices.mesh
    }

    /// The namespace whose objects hold for the whole mesh.
    pub fn root_namespace(&self) -> &Namespace {
        &self.indices.root
    }

    /// All services.
    pub fn services(&self) -> &ServiceIndex {
        &self.indices.services
    }

    /// All VirtualServices.
    pub fn virtual_services(&self) -> &VirtualServiceIndex {
        &self.indices.virtual_services
    }

    /// All DestinationRules.
    pub fn destination_rules(&self) -> &DestinationRuleIndex {
        &self.indices.destination_rules
    }

    /// All Gateways.
    pub fn gateways(&self) -> &GatewayIndex {
        &self.indices.gateways
    }

    /// All Sidecars.
    pub fn sidecars(&self) -> &SidecarIndex {
        &self.indices.sidecars
    }

    /// All PeerAuthentications.
    pub fn peer_authentications(&self) -> &PeerAuthenticationIndex {
        &self.indices.peer_authentications
    }

    /// All Secrets.
    pub fn secrets(&self) -> &SecretIndex {
        &self.indices.secrets
    }

    /// The endpoints of all services.
    pub fn endpoints(&self) -> &Arc<EndpointIndex> {
        &self.endpoints
    }

    /// The pod or WorkloadEntry at this address.
    pub fn workload(&self, address: IpAddr) -> Option<&Arc<Workload>> {
        self.workloads.get(&address)
    }

    /// All pods and WorkloadEntries that have an address, in no particular order.
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.values()
    }

    /// The services, routes and rules that the proxies with this view see.
    pub fn scope(&self, view: &OutboundView) -> Arc<Scope> {
        self.scope_of(&view.scope)
    }

    /// The scope of this key; made at its first use.
    pub fn scope_of(&self, key: &ScopeKey) -> Arc<Scope> {
        let memo = || self.scopes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = memo().get(key) {
            return known.clone();
        }
        // Made outside of the lock: two threads may make the same scope, and the first one stays.
        let made = Arc::new(Scope::new(self, key));
        memo().entry(key.clone()).or_insert(made).clone()
    }

    /// The DestinationRule for traffic of the proxies with this view to `service`.
    pub fn destination_rule(
        &self,
        view: &OutboundView,
        service: &Service,
    ) -> Option<&Arc<MergedRule>> {
        self.destination_rules().lookup(
            view.scope.namespace.as_ref(),
            &view.labels,
            self.root_namespace(),
            &service.hostname,
            &service.namespace,
        )
    }

    /// The mutual TLS mode that clients assume for a service of this namespace.
    pub fn namespace_mtls(&self, namespace: &Namespace) -> MtlsMode {
        self.peer_authentications()
            .of_namespace(namespace, self.root_namespace())
    }

    /// The servers of a gateway, by port.
    pub fn merged_gateways(&self, view: &GatewayView) -> MergedGateways {
        self.gateways().merge(&view.gateways)
    }

    /// The VirtualServices bound to a gateway that proxies of `namespace` may see, most important
    /// first.
    pub fn routes_of_gateway(
        &self,
        gateway: &GatewayRef,
        namespace: &Namespace,
    ) -> Vec<Arc<VirtualServiceEntry>> {
        self.virtual_services().bound_to(gateway, Some(namespace))
    }

    /// The service that a host name of a route means for the proxies with this view.
    pub fn service_for(&self, view: &OutboundView, host: &Hostname) -> Option<Arc<Service>> {
        self.scope(view).service(host).cloned()
    }
}
