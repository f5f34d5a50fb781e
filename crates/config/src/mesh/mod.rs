//! `MeshConfig`: the settings of the whole mesh, from ConfigMap `istio`, key `mesh`.
//!
//! In: YAML text. Out: the settings over Istio's defaults, and warnings about what was not
//! understood: an unknown or malformed key never keeps the rest out of force.

mod policy;
mod provider;
mod proxy_config;
mod read;
#[cfg(test)]
mod tests;

use ferromesh_types::{Labels, Str};
use serde::Deserialize;
use serde_json::Value;

use crate::kind::destination_rule::{H2UpgradePolicy, LocalityLbSetting, TcpKeepalive};
use crate::kind::sidecar::OutboundTrafficMode;
use crate::kind::virtual_service::HttpRetry;
use crate::value::Duration;

pub use policy::{
    AccessLogEncoding, CertificateData, DiscoverySelector, InboundTrafficMode,
    InboundTrafficPolicy, IngressControllerMode, LabelExpression, LabelOperator, MeshTls,
    Normalization, OutboundTrafficPolicy, PathNormalization,
};
pub use provider::{DefaultProviders, ExtensionProvider, FileAccessLog, LogFormat};
pub use proxy_config::{
    AuthenticationPolicy, GatewayTopology, InterceptionMode, ProxyConfig, ProxyStatsMatcher,
    RemoteService, Tracing,
};

/// Settings of the mesh.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Port of the outbound capture listener.
    pub proxy_listen_port: u16,
    /// Port of the inbound capture listener.
    pub proxy_inbound_listen_port: u16,
    /// Port of an HTTP proxy listener in each sidecar; 0 is none.
    pub proxy_http_port: u16,
    /// Limit of connecting to an endpoint.
    pub connect_timeout: Duration,
    /// How long the proxy waits for the first bytes to tell the protocol; zero is for ever.
    pub protocol_detection_timeout: Duration,
    /// Keep-alive probes towards endpoints.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Time between DNS queries for an endpoint.
    pub dns_refresh_rate: Duration,
    /// The class of Ingress objects that are ours.
    pub ingress_class: Str,
    /// The Service whose address Ingress objects report.
    pub ingress_service: Str,
    /// The label `istio` of the workload that serves Ingress objects.
    pub ingress_selector: Str,
    /// Which Ingress objects are ours.
    pub ingress_controller_mode: IngressControllerMode,
    /// Whether traces are made.
    pub enable_tracing: bool,
    /// File of the access log; empty is none.
    pub access_log_file: Str,
    /// Format of the access log; empty is Istio's.
    pub access_log_format: Str,
    /// Text or JSON.
    pub access_log_encoding: AccessLogEncoding,
    /// Whether access logs go to the service of `defaultConfig.envoyAccessLogService`.
    pub enable_envoy_access_log_service: bool,
    /// Whether listeners leave out their own log of refused connections.
    pub disable_envoy_listener_log: bool,
    /// Settings of proxies.
    pub default_config: ProxyConfig,
    /// What happens to traffic for unknown destinations.
    pub outbound_traffic_policy: OutboundTrafficPolicy,
    /// Where inbound traffic goes.
    pub inbound_traffic_policy: InboundTrafficPolicy,
    /// Sources of config besides the default one, as written.
    pub config_sources: Vec<Value>,
    /// Whether clients use mutual TLS where the server has it.
    pub enable_auto_mtls: bool,
    /// The trust domain of the mesh's identities.
    pub trust_domain: Str,
    /// Older or other trust domains that count as ours.
    pub trust_domain_aliases: Vec<Str>,
    /// More trusted roots.
    pub ca_certificates: Vec<CertificateData>,
    /// Visibility of services that do not say; empty is everywhere.
    pub default_service_export_to: Vec<Str>,
    /// Visibility of VirtualServices that do not say; empty is everywhere.
    pub default_virtual_service_export_to: Vec<Str>,
    /// Visibility of DestinationRules that do not say; empty is everywhere.
    pub default_destination_rule_export_to: Vec<Str>,
    /// The namespace whose policies are for the whole mesh.
    pub root_namespace: Str,
    /// Preference of localities.
    pub locality_lb_setting: LocalityLbSetting,
    /// Whether HTTP/1.1 is carried over HTTP/2 between sidecars.
    pub h2_upgrade_policy: H2UpgradePolicy,
    /// Pattern of statistics names of inbound clusters.
    pub inbound_cluster_stat_name: Str,
    /// Pattern of statistics names of outbound clusters.
    pub outbound_cluster_stat_name: Str,
    /// Whether the agent serves the application's metrics with its own.
    pub enable_prometheus_merge: bool,
    /// Whether clients verify server certificates with the system's roots by default.
    pub verify_certificate_at_client: bool,
    /// Another certificate authority, as written.
    pub ca: Option<Value>,
    /// Providers of telemetry and authorization.
    pub extension_providers: Vec<ExtensionProvider>,
    /// Providers that are used where nothing else is said.
    pub default_providers: DefaultProviders,
    /// The namespaces that the control plane looks at; none is all.
    pub discovery_selectors: Vec<DiscoverySelector>,
    /// How paths are normalised before routing.
    pub path_normalization: PathNormalization,
    /// Retries of routes that do not say.
    pub default_http_retry_policy: Option<HttpRetry>,
    /// TLS between workloads of the mesh.
    #[serde(rename = "meshMTLS")]
    pub mesh_mtls: MeshTls,
    /// TLS of gateways and towards other servers.
    pub tls_defaults: MeshTls,
    /// Settings of services by host, as written.
    pub service_settings: Vec<Value>,
    /// Scopes of services in multi-cluster ambient meshes, as written.
    pub service_scope_configs: Vec<Value>,
    /// Certificates that the control plane keeps, as written; without effect in Istio as well.
    pub certificates: Vec<Value>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        let seconds = |n| Duration(std::time::Duration::from_secs(n));
        Self {
            proxy_listen_port: 15001,
            proxy_inbound_listen_port: 15006,
            proxy_http_port: 0,
            connect_timeout: seconds(10),
            protocol_detection_timeout: seconds(0),
            tcp_keepalive: None,
            dns_refresh_rate: seconds(60),
            ingress_class: "istio".into(),
            ingress_service: "istio-ingressgateway".into(),
            ingress_selector: "ingressgateway".into(),
            ingress_controller_mode: IngressControllerMode::Strict,
            enable_tracing: true,
            access_log_file: Str::default(),
            access_log_format: Str::default(),
            access_log_encoding: AccessLogEncoding::Text,
            enable_envoy_access_log_service: false,
            disable_envoy_listener_log: false,
            default_config: ProxyConfig::default(),
            outbound_traffic_policy: OutboundTrafficPolicy {
                mode: OutboundTrafficMode::AllowAny,
            },
            inbound_traffic_policy: InboundTrafficPolicy::default(),
            config_sources: Vec::new(),
            enable_auto_mtls: true,
            trust_domain: "cluster.local".into(),
            trust_domain_aliases: Vec::new(),
            ca_certificates: Vec::new(),
            default_service_export_to: vec!["*".into()],
            default_virtual_service_export_to: vec!["*".into()],
            default_destination_rule_export_to: vec!["*".into()],
            root_namespace: "istio-system".into(),
            locality_lb_setting: LocalityLbSetting {
                enabled: Some(true),
                ..Default::default()
            },
            h2_upgrade_policy: H2UpgradePolicy::DoNotUpgrade,
            inbound_cluster_stat_name: Str::default(),
            outbound_cluster_stat_name: Str::default(),
            enable_prometheus_merge: true,
            verify_certificate_at_client: true,
            ca: None,
            extension_providers: ExtensionProvider::built_in(),
            default_providers: DefaultProviders::default(),
            discovery_selectors: Vec::new(),
            path_normalization: PathNormalization::default(),
            default_http_retry_policy: None,
            mesh_mtls: MeshTls::default(),
            tls_defaults: MeshTls::default(),
            service_settings: Vec::new(),
            service_scope_configs: Vec::new(),
            certificates: Vec::new(),
        }
    }
}

impl MeshConfig {
    /// Whether the control plane looks at a namespace with these labels.
    pub fn discovers(&self, namespace_labels: &Labels) -> bool {
        self.discovery_selectors.is_empty()
            || self
                .discovery_selectors
                .iter()
                .any(|selector| selector.matches(namespace_labels))
    }
}
