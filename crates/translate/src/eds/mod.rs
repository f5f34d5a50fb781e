//! Endpoints: `ClusterLoadAssignment` resources.
//!
//! In: the snapshot, an [`OutboundView`], names of clusters. Out: one resource per name, empty if
//! the name leads nowhere, since a proxy waits for what it asked for. Endpoints that are not ready
//! are left out; the metadata of each says whether clients use mutual TLS with it.

pub(crate) mod assignment;
pub(crate) mod group;
mod priority;

use ferromesh_config::kind::destination_rule::{ClientTlsMode, LocalityLbSetting};
use ferromesh_model::{MtlsMode, OutboundView, Snapshot};
use ferromesh_registry::{Endpoint, EndpointAddress, Health, Service, ServiceEndpoints};
use ferromesh_types::{Hostname, Selector, Str};
use prost::Message;

use crate::cds::load_balancer::locality_setting;
use crate::cds::policy::Policy;
use crate::{Resource, names};
use assignment::Assignment;
use group::Preference;

/// The endpoints of the clusters named.
pub fn endpoints(snapshot: &Snapshot, view: &OutboundView, names: &[Str]) -> Vec<Resource> {
    let scope = snapshot.scope(view);
    names
        .iter()
        .map(|name| {
            let found = names::parse_cluster(name).and_then(|(_, port, subset, host)| {
                let service = scope.service(&Hostname::from(host))?;
                Some(ClusterEndpoints {
                    snapshot,
                    view,
                    service,
                    port,
                    subset,
                    resolved: false,
                    encrypted: names::is_server_name(name),
                })
            });
            let assignment = Assignment {
                cluster_name: name.to_string(),
                groups: found.map(|cluster| cluster.groups()).unwrap_or_default(),
            };
            Resource::new(name.clone(), assignment.encode_to_vec())
        })
        .collect()
}

/// What the endpoints of one cluster are made from.
pub(crate) struct ClusterEndpoints<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) view: &'a OutboundView,
    pub(crate) service: &'a Service,
    pub(crate) port: u16,
    pub(crate) subset: &'a str,
    /// Whether the cluster looks names up; where it does not, endpoints that are names (of another
    /// ServiceEntry for the same host) cannot be reached; where it does, Unix sockets cannot.
    pub(crate) resolved: bool,
    /// Whether what a client has encrypted is passed on: only to endpoints that can open it.
    pub(crate) encrypted: bool,
}

impl<'a> ClusterEndpoints<'a> {
    /// The groups, nearest first; empty if the port or subset does not exist.
    pub(crate) fn groups(&self) -> Vec<assignment::Group> {
        let Some(port) = self.service.port(self.port) else {
            return Vec::new();
        };
        let Some(endpoints) = self.snapshot.endpoints().of(&self.service.key()) else {
            return Vec::new();
        };
        let rule = self.snapshot.destination_rule(self.view, self.service);
        let spec = rule.map(|rule| &*rule.spec);
        let subset = spec.and_then(|spec| spec.subsets.iter().find(|s| s.name == *self.subset));
        if subset.is_none() && !self.subset.is_empty() {
            return Vec::new();
        }
        let policy = Policy::of(
            spec.and_then(|spec| spec.traffic_policy.as_ref()),
            subset.and_then(|subset| subset.traffic_policy.as_ref()),
            self.port,
        );
        let everything = Selector::default();
        let labels = subset.map_or(&everything, |subset| &subset.labels);
        self.of_port(endpoints, &port.name, labels, &policy)
    }

    fn of_port(
        &self,
        endpoints: &ServiceEndpoints,
        port: &str,
        labels: &Selector,
        policy: &Policy<'a>,
    ) -> Vec<assignment::Group> {
        let mesh = self.snapshot.mesh();
        let spread = Preference {
            place: &self.view.locality,
            labels: &self.view.labels,
            setting: self.locality(policy),
            failover: policy.outlier_detection.is_some()
                || self.service.traffic_distribution.is_some(),
        };
        let tls = policy.tls.map(|tls| tls.mode);
        let automatic = mesh.enable_auto_mtls && !self.service.mesh_external;
        group::groups(
            endpoints.of_port(port).filter(|endpoint| {
                let reachable = match endpoint.address {
                    EndpointAddress::Ip(_) => true,
                    EndpointAddress::Hostname(_) => self.resolved,
                    EndpointAddress::Unix(_) => !self.resolved,
                };
                endpoint.health == Health::Healthy
                    && labels.matches(&endpoint.labels)
                    && reachable
                    && (!self.encrypted || accepts_mutual_tls(self.snapshot, endpoint))
            }),
            |endpoint| match tls {
                Some(mode) => mode == ClientTlsMode::IstioMutual && endpoint.istio_mtls,
                None => automatic && accepts_mutual_tls(self.snapshot, endpoint),
            },
            spread,
        )
    }

    fn locality(&self, policy: &Policy<'a>) -> Option<&'a LocalityLbSetting> {
        locality_setting(
            policy.load_balancer,
            &self.snapshot.mesh().locality_lb_setting,
        )
    }
}

/// Whether the endpoint has a proxy for it, and its PeerAuthentication does not forbid it.
fn accepts_mutual_tls(snapshot: &Snapshot, endpoint: &Endpoint) -> bool {
    if !endpoint.istio_mtls {
        return false;
    }
    let policies = snapshot.peer_authentications();
    let mode = if policies.selects_workloads(&endpoint.namespace) {
        policies
            .of_workload(
                &endpoint.namespace,
                &endpoint.labels,
                snapshot.root_namespace(),
            )
            .of_port(endpoint.port)
    } else {
        snapshot.namespace_mtls(&endpoint.namespace)
    };
    mode != MtlsMode::Disable
}
