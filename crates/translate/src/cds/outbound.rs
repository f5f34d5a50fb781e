//! The clusters of one service: for each port one for all endpoints and one per subset.

use ferromesh_config::kind::destination_rule::{ClientTlsMode, H2UpgradePolicy, Subset};
use ferromesh_config::mesh::MeshConfig;
use ferromesh_model::{MergedRule, MtlsMode, OutboundView, ProxyType, Snapshot};
use ferromesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, DiscoveryType},
};
use ferromesh_registry::{Service, ServiceEndpoints, ServicePort};
use ferromesh_types::{Protocol, Str};

use super::client_tls::{self, Transport};
use super::connection_pool::{self, UpstreamProtocol};
use super::discovery::{self, Discovery};
use super::load_balancer::{self, Choice};
use super::policy::Policy;
use super::{Draft, outlier};
use crate::Resource;
use crate::eds::ClusterEndpoints;
use crate::eds::assignment::Assignment;
use crate::names;
use crate::wire::{self, Metadata};

/// What all clusters of a service depend on.
struct ServiceClusters<'a> {
    snapshot: &'a Snapshot,
    view: &'a OutboundView,
    service: &'a Service,
    rule: Option<&'a MergedRule>,
    endpoints: Option<&'a ServiceEndpoints>,
    identities: Vec<Str>,
    discovery: Discovery,
}

/// What a cluster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The proxy speaks with the endpoints.
    Spoken,
    /// The proxy passes on what a client has encrypted for them, by its server name.
    Passed,
}

/// All clusters of the service.
pub(super) fn of_service(
    snapshot: &Snapshot,
    view: &OutboundView,
    service: &Service,
) -> Vec<Resource> {
    let Some(discovery) = Discovery::of(service, view) else {
        return Vec::new();
    };
    let endpoints = snapshot.endpoints().of(&service.key()).map(|e| &**e);
    let all = ServiceClusters {
        snapshot,
        view,
        service,
        rule: snapshot.destination_rule(view, service).map(|rule| &**rule),
        endpoints,
        identities: identities(snapshot.mesh(), service, endpoints),
        discovery,
    };
    let mut clusters = Vec::new();
    for port in service
        .ports
        .iter()
        .filter(|port| port.protocol != Protocol::Udp)
    {
        let subsets = all.rule.iter().flat_map(|rule| &rule.spec.subsets);
        for subset in std::iter::once(None).chain(subsets.map(Some)) {
            clusters.extend(all.cluster(port, subset, Way::Spoken));
            if view.passes_by_server_name && !service.mesh_external {
                clusters.extend(all.cluster(port, subset, Way::Passed));
            }
        }
    }
    clusters
}

/// The names that certificates of the endpoints may carry, sorted, each once: their identities
/// under all names of the trust domain, and what a ServiceEntry adds.
fn identities(
    mesh: &MeshConfig,
    service: &Service,
    endpoints: Option<&ServiceEndpoints>,
) -> Vec<Str> {
    let known = endpoints
        .map(|e| e.identities.as_slice())
        .unwrap_or_default();
    if service.subject_alt_names.is_empty() && mesh.trust_domain_aliases.is_empty() {
        return known.to_vec();
    }
    let domains = || std::iter::once(&mesh.trust_domain).chain(&mesh.trust_domain_aliases);
    let mut all: Vec<Str> = known
        .iter()
        .chain(&service.subject_alt_names)
        .cloned()
        .collect();
    for identity in known {
        let parts = identity
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split_once('/'));
        if let Some((domain, path)) = parts
            && domains().any(|own| own == domain)
        {
            all.extend(domains().map(|own| Str::from(format!("spiffe://{own}/{path}"))));
        }
    }
    all.sort();
    all.dedup();
    all
}

impl ServiceClusters<'_> {
    /// The cluster of a port or of a subset's port; `None` for names that resolve to nothing,
    /// which Envoy would refuse.
    fn cluster(&self, port: &ServicePort, subset: Option<&Subset>, way: Way) -> Option<Resource> {
        let subset_name = subset.map_or("", |subset| subset.name.as_str());
        let name = match way {
            Way::Spoken => names::outbound_cluster,
            Way::Passed => names::mutual_tls_sni,
        }(port.port, subset_name, &self.service.hostname);
        let policy = Policy::of(
            self.rule.and_then(|rule| rule.spec.traffic_policy.as_ref()),
            subset.and_then(|subset| subset.traffic_policy.as_ref()),
            port.port,
        );
        let mut draft = Draft {
            message: Cluster {
                alt_stat_name: names::stat_prefix(&name),
                name,
                ..Default::default()
            },
            metadata: Some(self.metadata(&policy, subset)),
            endpoints: None,
        };
        let discovery = self.balance(&mut draft.message, port, &policy);
        if discovery.is_dns() {
            let names = self.resolved(&draft.message.name, port, subset_name)?;
            // Another entry for the same host adds endpoints: one answer per connection is for one
            // name only.
            if discovery == Discovery::LogicalDns && names.endpoint_count() != 1 {
                let all = ClusterDiscoveryType::Type(DiscoveryType::StrictDns as i32);
                draft.message.cluster_discovery_type = Some(all);
            }
            draft.endpoints = Some(names);
        }
        let policy = Policy {
            tls: policy.tls.filter(|_| way == Way::Spoken),
            ..policy
        };
        let automatic = way == Way::Spoken && self.is_automatic(discovery);
        let per_endpoint = discovery == Discovery::Eds;
        let other_names = self.connect(
            &mut draft.message,
            (port, subset_name),
            &policy,
            (automatic, per_endpoint),
        );
        if discovery == Discovery::ByRequest && other_names {
            let cache = names::dns_cache(&self.service.hostname);
            let found = discovery::by_request(&cache, self.view.ip_family, true);
            draft.message.cluster_discovery_type = Some(found);
        }
        Some(draft.finish())
    }

    /// Discovery, balancing and ejection.
    fn balance(&self, cluster: &mut Cluster, port: &ServicePort, policy: &Policy<'_>) -> Discovery {
        let mesh = self.snapshot.mesh();
        let locality =
            load_balancer::locality_setting(policy.load_balancer, &mesh.locality_lb_setting);
        let choice = load_balancer::apply(cluster, policy.load_balancer, locality);
        let discovery = match (choice, self.discovery) {
            (_, Discovery::ByRequest) => Discovery::ByRequest,
            (Choice::OriginalDestination, _) => Discovery::OriginalDestination,
            (Choice::Balanced, own) => own,
        };
        discovery::apply(
            cluster,
            discovery,
            &self.service.hostname,
            self.snapshot,
            self.view,
        );
        if discovery == Discovery::OriginalDestination {
            discovery::override_port(cluster, self.service, port);
        } else if let Some(settings) = policy.outlier_detection {
            outlier::apply(cluster, settings);
        }
        discovery
    }

    /// Limits, protocol and transport. True when settings of HTTP let server and certificate be
    /// checked by other names than the request's.
    fn connect(
        &self,
        cluster: &mut Cluster,
        (port, subset): (&ServicePort, &str),
        policy: &Policy<'_>,
        (automatic, per_endpoint): (bool, bool),
    ) -> bool {
        let mesh = self.snapshot.mesh();
        let pool = policy.connection_pool;
        connection_pool::apply(
            cluster,
            pool,
            policy.retry_budget,
            mesh.connect_timeout.into(),
            mesh.tcp_keepalive.as_ref(),
        );
        let sidecar = self.view.kind == ProxyType::Sidecar;
        let protocol = UpstreamProtocol::of(
            port.protocol,
            pool,
            mesh.h2_upgrade_policy == H2UpgradePolicy::Upgrade,
            sidecar,
        );
        let transport = Transport {
            settings: policy.tls,
            automatic,
            per_endpoint,
            sni: names::mutual_tls_sni(port.port, subset, &self.service.hostname),
            identities: &self.identities,
            protocol,
            http: port.protocol.is_http(),
            credentials: self.reads_credentials(),
            proxy_protocol: policy.proxy_protocol,
        };
        let server_name = client_tls::apply(cluster, &transport);
        let from_request = server_name.as_ref();
        let from_request =
            from_request.is_some_and(|name| name.auto_sni && name.auto_san_validation);
        connection_pool::set_http_options(cluster, protocol, pool, server_name);
        !from_request && !cluster.typed_extension_protocol_options.is_empty()
    }

    /// Whether mutual TLS may be used without being asked for. Without metadata to choose by, every
    /// endpoint must accept it.
    fn is_automatic(&self, discovery: Discovery) -> bool {
        self.snapshot.mesh().enable_auto_mtls
            && !self.service.mesh_external
            && self.snapshot.namespace_mtls(&self.service.namespace) != MtlsMode::Disable
            && match discovery {
                Discovery::Eds => true,
                Discovery::ByRequest => false,
                Discovery::StrictDns | Discovery::LogicalDns | Discovery::OriginalDestination => {
                    self.endpoints
                        .is_some_and(ServiceEndpoints::all_accept_mtls)
                }
            }
    }

    /// Gateways may read Secrets of their namespace, sidecars only those of rules that are written
    /// for them.
    fn reads_credentials(&self) -> bool {
        self.view.kind == ProxyType::Router || self.rule.is_some_and(|rule| rule.clients.is_some())
    }

    /// The names to resolve; `None` if there are none.
    fn resolved(&self, cluster: &str, port: &ServicePort, subset: &str) -> Option<Assignment> {
        let groups = ClusterEndpoints {
            snapshot: self.snapshot,
            view: self.view,
            service: self.service,
            port: port.port,
            subset,
            resolved: true,
            encrypted: false,
        }
        .groups();
        (!groups.is_empty()).then(|| Assignment {
            cluster_name: cluster.to_owned(),
            groups,
        })
    }

    /// What telemetry and tools read: the service, the rule and the subset.
    fn metadata(&self, policy: &Policy<'_>, subset: Option<&Subset>) -> Metadata {
        let service = wire::structure([
            ("host", wire::text(self.service.hostname.as_str())),
            ("name", wire::text(self.service.name.as_str())),
            ("namespace", wire::text(self.service.namespace.as_str())),
        ]);
        let services = wire::list(vec![wire::nested(service)]);
        let mut fields = wire::structure([("services", services)]);
        let mut add = |key: &str, value| fields.fields.insert(key.to_owned(), value);
        if let Some(rule) = self.rule {
            let path = format!(
                "/apis/networking.istio.io/v1/namespaces/{}/destination-rule/{}",
                rule.key.namespace, rule.key.name
            );
            add("config", wire::text(path));
        }
        if let Some(subset) = subset {
            add("subset", wire::text(subset.name.as_str()));
        }
        if self.service.mesh_external {
            add("external", wire::truth(true));
        }
        let own_alpn = |mode| matches!(mode, ClientTlsMode::Simple | ClientTlsMode::Mutual);
        if policy.tls.is_some_and(|tls| own_alpn(tls.mode)) {
            add("alpn_override", wire::text("false"));
        }
        Metadata::of("istio", fields)
    }
}
