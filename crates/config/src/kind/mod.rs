//! The table of kinds. A new kind is one file here and one line below.
//!
//! In: `apiVersion` and `kind` of an object. Out: the `Kind`, and its typed `Spec`.

pub mod authorization_policy;
pub mod destination_rule;
pub mod envoy_filter;
pub mod gateway;
pub mod gateway_api;
pub mod peer_authentication;
pub mod proxy_config;
pub mod request_authentication;
pub mod service_entry;
pub mod sidecar;
pub mod telemetry;
pub mod traffic_extension;
pub mod virtual_service;
pub mod wasm_plugin;
pub mod workload_entry;
pub mod workload_group;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kubernetes;
use crate::parse::{Body, Checked, body};

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster.
    Cluster,
}

/// How a kind is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindRow {
    /// Its name in YAML, as in `VirtualService`.
    pub name: &'static str,
    /// Its API group; empty for the core group.
    pub group: &'static str,
    /// The versions that are served, the preferred one first.
    pub versions: &'static [&'static str],
    /// Its name in paths and commands.
    pub plural: &'static str,
    /// Its abbreviations.
    pub short_names: &'static [&'static str],
    /// Where its objects live.
    pub scope: Scope,
}

/// The name of a kind in YAML, where it is not that of the variant.
macro_rules! yaml_name {
    ($name:ident) => {
        stringify!($name)
    };
    ($name:ident $yaml:literal) => {
        $yaml
    };
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident $(($yaml:literal))?: $group:literal, $versions:expr, $plural:literal,
       $short:expr, $scope:ident, $spec:path;)+) => {
        /// A kind that the mesh reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($(#[doc = $doc])+ $name,)+ }

        /// The typed content of an object, by kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Spec { $($(#[doc = $doc])+ $name(Arc<$spec>),)+ }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// How the kind is called.
            pub fn row(self) -> &'static KindRow {
                match self {
                    $(Self::$name => &KindRow {
                        name: yaml_name!($name $($yaml)?),
                        group: $group,
                        versions: &$versions,
                        plural: $plural,
                        short_names: &$short,
                        scope: Scope::$scope,
                    },)+
                }
            }

            /// Reads the typed content out of the whole object and checks it.
            pub(crate) fn parse(self, object: &Value) -> Checked<Spec> {
                match self {
                    $(Self::$name => body::<$spec>(object)
                        .map(|(spec, found)| (Spec::$name(Arc::new(spec)), found)),)+
                }
            }

            /// Whether unknown fields are refused: the mesh owns the API.
            pub fn is_strict(self) -> bool {
                match self {
                    $(Self::$name => <$spec as Body>::STRICT,)+
                }
            }
        }

        impl Spec {
            /// The kind of the object.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)+ }
            }
        }
    };
}

kinds! {
    /// How requests to a host are routed.
    VirtualService: "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "virtualservices",
        ["vs"], Namespaced, virtual_service::VirtualService;
    /// What happens after routing.
    DestinationRule: "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "destinationrules",
        ["dr"], Namespaced, destination_rule::DestinationRule;
    /// The ports of a gateway workload.
    Gateway: "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "gateways",
        ["gw"], Namespaced, gateway::Gateway;
    /// A service that the platform does not know.
    ServiceEntry: "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "serviceentries",
        ["se"], Namespaced, service_entry::ServiceEntry;
    /// The scope of sidecars.
    Sidecar: "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "sidecars",
        [], Namespaced, sidecar::Sidecar;
    /// A workload outside the cluster.
    WorkloadEntry: "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "workloadentries",
        ["we"], Namespaced, workload_entry::WorkloadEntry;
    /// The template of such workloads.
    WorkloadGroup: "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "workloadgroups",
        ["wg"], Namespaced, workload_group::WorkloadGroup;
    /// Patches of xDS resources.
    EnvoyFilter: "networking.istio.io", ["v1alpha3"], "envoyfilters",
        [], Namespaced, envoy_filter::EnvoyFilter;
    /// Settings of proxies.
    ProxyConfig: "networking.istio.io", ["v1beta1"], "proxyconfigs",
        [], Namespaced, proxy_config::ProxyConfig;
    /// Plain text, mutual TLS, or both.
    PeerAuthentication: "security.istio.io", ["v1", "v1beta1"], "peerauthentications",
        ["pa"], Namespaced, peer_authentication::PeerAuthentication;
    /// Tokens of requests.
    RequestAuthentication: "security.istio.io", ["v1", "v1beta1"], "requestauthentications",
        ["ra"], Namespaced, request_authentication::RequestAuthentication;
    /// Who may call what.
    AuthorizationPolicy: "security.istio.io", ["v1", "v1beta1"], "authorizationpolicies",
        ["ap"], Namespaced, authorization_policy::AuthorizationPolicy;
    /// Metrics, logs and traces.
    Telemetry: "telemetry.istio.io", ["v1", "v1alpha1"], "telemetries",
        ["telemetry"], Namespaced, telemetry::Telemetry;
    /// WebAssembly filters.
    WasmPlugin: "extensions.istio.io", ["v1alpha1"], "wasmplugins",
        [], Namespaced, wasm_plugin::WasmPlugin;
    /// WebAssembly and Lua filters.
    TrafficExtension: "extensions.istio.io", ["v1alpha1"], "trafficextensions",
        [], Namespaced, traffic_extension::TrafficExtension;
    /// Who serves Gateways.
    GatewayClass: "gateway.networking.k8s.io", ["v1", "v1beta1"], "gatewayclasses",
        ["gc"], Cluster, gateway_api::GatewayClass;
    /// Listeners for requests from outside.
    KubernetesGateway("Gateway"): "gateway.networking.k8s.io", ["v1", "v1beta1"], "gateways",
        ["gtw"], Namespaced, gateway_api::Gateway;
    /// How HTTP requests are routed.
    HttpRoute("HTTPRoute"): "gateway.networking.k8s.io", ["v1", "v1beta1"], "httproutes",
        [], Namespaced, gateway_api::HttpRoute;
    /// How gRPC calls are routed.
    GrpcRoute("GRPCRoute"): "gateway.networking.k8s.io", ["v1"], "grpcroutes",
        [], Namespaced, gateway_api::GrpcRoute;
    /// Where TLS goes that is not opened.
    TlsRoute("TLSRoute"): "gateway.networking.k8s.io", ["v1", "v1alpha3", "v1alpha2"], "tlsroutes",
        [], Namespaced, gateway_api::TlsRoute;
    /// Where bytes go.
    TcpRoute("TCPRoute"): "gateway.networking.k8s.io", ["v1alpha2"], "tcproutes",
        [], Namespaced, gateway_api::TcpRoute;
    /// Who may refer to objects of this namespace.
    ReferenceGrant: "gateway.networking.k8s.io", ["v1", "v1beta1"], "referencegrants",
        ["refgrant"], Namespaced, gateway_api::ReferenceGrant;
    /// TLS from gateways to Services.
    BackendTlsPolicy("BackendTLSPolicy"): "gateway.networking.k8s.io", ["v1", "v1alpha3"],
        "backendtlspolicies", ["btlspolicy"], Namespaced, gateway_api::BackendTlsPolicy;
    /// A namespace.
    Namespace: "", ["v1"], "namespaces", ["ns"], Cluster, kubernetes::Namespace;
    /// A service account.
    ServiceAccount: "", ["v1"], "serviceaccounts", ["sa"], Namespaced, kubernetes::ServiceAccount;
    /// A service.
    Service: "", ["v1"], "services", ["svc"], Namespaced, kubernetes::Service;
    /// A pod.
    Pod: "", ["v1"], "pods", ["po"], Namespaced, kubernetes::Pod;
    /// A set of equal pods.
    Deployment: "apps", ["v1"], "deployments", ["deploy"], Namespaced, kubernetes::Deployment;
    /// Texts by name.
    ConfigMap: "", ["v1"], "configmaps", ["cm"], Namespaced, kubernetes::ConfigMap;
    /// Secret bytes by name.
    Secret: "", ["v1"], "secrets", [], Namespaced, kubernetes::Secret;
    /// Endpoints, the older form.
    Endpoints: "", ["v1"], "endpoints", ["ep"], Namespaced, kubernetes::Endpoints;
    /// Endpoints.
    EndpointSlice: "discovery.k8s.io", ["v1"], "endpointslices", [], Namespaced,
        kubernetes::EndpointSlice;
    /// A node.
    Node: "", ["v1"], "nodes", ["no"], Cluster, kubernetes::Node;
}

impl Kind {
    /// The kind's name, as in `VirtualService`; where two groups have a kind of this name, that of
    /// the Gateway API with its group.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KubernetesGateway => "Gateway.gateway.networking.k8s.io",
            _ => self.row().name,
        }
    }

    /// Whether its objects live in a namespace.
    pub fn is_namespaced(self) -> bool {
        self.row().scope == Scope::Namespaced
    }

    /// Whether it is one of Istio's kinds.
    pub fn is_istio(self) -> bool {
        self.row().group.ends_with(".istio.io")
    }

    /// The preferred `apiVersion`.
    pub fn api_version(self) -> String {
        let row = self.row();
        if row.group.is_empty() {
            row.versions[0].to_owned()
        } else {
            format!("{}/{}", row.group, row.versions[0])
        }
    }

    /// Finds a kind by API group and name.
    pub fn find(group: &str, name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.row().name == name && kind.row().group == group)
    }

    /// Finds a kind as commands name it: kind, singular, plural or abbreviation, in any case,
    /// also with its group (`gateways.networking.istio.io`).
    pub fn from_word(word: &str) -> Option<Self> {
        let lower = word.to_ascii_lowercase();
        let (name, group) = lower.split_once('.').unwrap_or((&lower, ""));
        Self::ALL.iter().copied().find(|kind| {
            let row = kind.row();
            (group.is_empty() || group == row.group)
                && (row.plural == name
                    || row.name.to_ascii_lowercase() == name
                    || row.short_names.contains(&name))
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_as_commands_name_them() {
        for word in ["vs", "VirtualService", "virtualservices", "virtualservice"] {
            assert_eq!(Kind::from_word(word), Some(Kind::VirtualService), "{word}");
        }
        assert_eq!(
            Kind::from_word("gateways.networking.istio.io"),
            Some(Kind::Gateway)
        );
        assert_eq!(Kind::from_word("gateway"), Some(Kind::Gateway));
        assert_eq!(
            Kind::from_word("gateways.gateway.networking.k8s.io"),
            Some(Kind::KubernetesGateway)
        );
        assert_eq!(Kind::from_word("deploy"), Some(Kind::Deployment));
        assert_eq!(Kind::find("", "Service"), Some(Kind::Service));
        assert_eq!(Kind::Deployment.api_version(), "apps/v1");
        assert!(Kind::Telemetry.is_istio() && !Kind::Pod.is_istio());
    }

    #[test]
    fn no_two_kinds_share_a_name_or_an_abbreviation() {
        let mut words = std::collections::HashSet::new();
        let mut names = std::collections::HashSet::new();
        for kind in Kind::ALL {
            assert!(names.insert(kind.as_str()), "{kind}");
            // Two APIs have Gateways; the plural alone means Istio's.
            assert!(
                words.insert(kind.row().plural) || *kind == Kind::KubernetesGateway,
                "{kind}"
            );
            for word in kind.row().short_names {
                assert!(words.insert(word), "{kind} {word}");
            }
        }
    }
}
