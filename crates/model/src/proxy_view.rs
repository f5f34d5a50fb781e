//! What one proxy may see, as values that can be compared.
//!
//! Each generator of xDS resources receives the snapshot and one of the views below, and reads
//! nothing else of the proxy. A view is `Hash + Eq`, so it *is* the key under which the generated
//! bytes are shared: two proxies whose views are equal get the same bytes.
//!
//! The parts are separate because they are shared by different circles of proxies:
//!
//! | view | generators | shared by |
//! |---|---|---|
//! | [`OutboundView`] | clusters, endpoints, name table | all sidecars of the mesh, unless an object is visible to, or meant for, some namespaces or labels only |
//! | [`ListenerView`] | outbound listeners | as above, apart from members of headless TCP services |
//! | [`RouteView`] | sidecar routes | the sidecars of a namespace (short host names) |
//! | [`InboundView`] | inbound listeners and clusters | the replicas of a workload |
//! | [`GatewayView`] | listeners and routes of gateways | the replicas of a gateway |

use std::net::IpAddr;
use std::sync::Arc;

use ferromesh_registry::ServicePort;
use ferromesh_types::{
    ClusterId, Hostname, Labels, Locality, Namespace, NetworkId, ResourceKey, Str,
};

use crate::authentication::MergedAuthentication;
use crate::{Dialect, IpFamily, ProxyType};

/// Metadata of a node that changes the shape of its listeners and clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProxySettings {
    /// `INTERCEPTION_MODE` is `NONE`: nothing is redirected.
    pub no_interception: bool,
    /// `INTERCEPTION_MODE` is `TPROXY`.
    pub transparent: bool,
    /// `HTTP10` is `"1"` or `"true"`.
    pub http10: bool,
    /// `DNS_CAPTURE`: the agent answers DNS, so that services without address get one of ours.
    pub dns_capture: bool,
    /// `UNPRIVILEGED_POD`: ports below 1024 cannot be bound.
    pub unprivileged: bool,
    /// `INBOUND_LISTENER_EXACT_BALANCE`.
    pub inbound_exact_balance: bool,
    /// `OUTBOUND_LISTENER_EXACT_BALANCE`.
    pub outbound_exact_balance: bool,
    /// `HTTP_PROXY_PORT`; 0 is none.
    pub http_proxy_port: u16,
    /// `IDLE_TIMEOUT`, as written; empty is the default.
    pub idle_timeout: Str,
    /// `TLS_SERVER_CERT_CHAIN`, `TLS_SERVER_KEY`, `TLS_SERVER_ROOT_CERT`: files instead of SDS.
    pub server_certificate_files: Option<[Str; 3]>,
    /// `TLS_CLIENT_CERT_CHAIN`, `TLS_CLIENT_KEY`, `TLS_CLIENT_ROOT_CERT`.
    pub client_certificate_files: Option<[Str; 3]>,
}

/// Which set of services, routes and rules a proxy sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeKey {
    /// The proxy's namespace, where it makes a difference: some object is visible only from there,
    /// a rule of that namespace concerns a foreign host, or a Sidecar applies. `None` stands for
    /// every namespace that sees what all see.
    pub namespace: Option<Namespace>,
    /// The Sidecar object that applies.
    pub sidecar: Option<ResourceKey>,
}

/// What a proxy may reach. The key for outbound clusters, endpoints and the name table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutboundView {
    /// Sidecar or gateway.
    pub kind: ProxyType,
    /// What it understands.
    pub dialect: Dialect,
    /// Which services, routes and rules it sees.
    pub scope: ScopeKey,
    /// The IP families it can use.
    pub ip_family: IpFamily,
    /// Its network: endpoints of others are reached through gateways.
    pub network: NetworkId,
    /// Its cluster: cluster-local services of others are not seen.
    pub cluster: ClusterId,
    /// Where it runs; empty unless some visible rule prefers near endpoints.
    pub locality: Locality,
    /// Those of its labels that a visible rule or route selects clients by
    /// (`workloadSelector`, `sourceLabels`, `failoverPriority`).
    pub labels: Labels,
    /// Its namespace if a visible route matches on `sourceNamespace`.
    pub source_namespace: Option<Namespace>,
    /// Whether connections are passed on by the server names of mutual TLS (a gateway with
    /// AUTO_PASSTHROUGH): each service port then has a cluster of that name.
    pub passes_by_server_name: bool,
    /// Metadata that changes listeners.
    pub settings: ProxySettings,
}

/// The key for outbound listeners of sidecars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenerView {
    /// What the proxy may reach.
    pub outbound: Arc<OutboundView>,
    /// The proxy's own addresses, if it is a member of a headless service: a headless TCP service
    /// has a listener per member except the proxy itself.
    pub own_addresses: Vec<IpAddr>,
}

/// The key for the routes of sidecars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteView {
    /// What the proxy may reach.
    pub outbound: Arc<OutboundView>,
    /// Its namespace: services in it have short names.
    pub namespace: Namespace,
    /// Its DNS domain, `namespace.svc.cluster.local`.
    pub dns_domain: Str,
}

/// A service port that the proxy's workload serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InboundPort {
    /// The service's host name.
    pub hostname: Hostname,
    /// The service's namespace.
    pub namespace: Namespace,
    /// The port of the service.
    pub port: ServicePort,
    /// The port that the workload listens on.
    pub target_port: u16,
}

/// The key for inbound listeners and inbound clusters of sidecars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InboundView {
    /// What the proxy understands.
    pub dialect: Dialect,
    /// Its namespace.
    pub namespace: Namespace,
    /// The IP families it can use.
    pub ip_family: IpFamily,
    /// The service ports that it serves, by target port; of several services on one target port
    /// the oldest is first.
    pub ports: Vec<InboundPort>,
    /// The mutual TLS modes in force for it.
    pub authentication: MergedAuthentication,
    /// The Sidecar object that applies (its `ingress` listeners).
    pub sidecar: Option<ResourceKey>,
    /// Its addresses; empty unless a Sidecar's `defaultEndpoint` needs them.
    pub own_addresses: Vec<IpAddr>,
    /// Metadata that changes listeners.
    pub settings: ProxySettings,
}

/// A port of the gateway's own Services: where a server of that number is bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayPort {
    /// The Service.
    pub hostname: Hostname,
    /// The port of the Service.
    pub port: u16,
    /// The port that the gateway's pod listens on.
    pub target_port: u16,
}

/// The key for listeners and routes of gateways.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatewayView {
    /// What the gateway may reach.
    pub outbound: Arc<OutboundView>,
    /// Its namespace: credentials are read from there.
    pub namespace: Namespace,
    /// The Gateway objects that select it, oldest first.
    pub gateways: Vec<ResourceKey>,
    /// The ports of the Services that it is behind, sorted, each once.
    pub ports: Vec<GatewayPort>,
}

/// All views of one proxy. `listener`, `route` and `inbound` are there for sidecars, `gateway` for
/// gateways.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyView {
    /// For outbound clusters, endpoints, name table.
    pub outbound: Arc<OutboundView>,
    /// For outbound listeners of a sidecar.
    pub listener: Option<Arc<ListenerView>>,
    /// For routes of a sidecar.
    pub route: Option<Arc<RouteView>>,
    /// For inbound listeners and clusters of a sidecar.
    pub inbound: Option<Arc<InboundView>>,
    /// For listeners and routes of a gateway.
    pub gateway: Option<Arc<GatewayView>>,
}
