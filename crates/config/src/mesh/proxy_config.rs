//! Settings of proxies, as the mesh config and the annotation `proxy.istio.io/config` write them.

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::Value;

use crate::kind::destination_rule::{ClientTlsSettings, TcpKeepalive};
use crate::kind::proxy_config::ProxyImage;
use crate::kind::workload_group::ReadinessProbe;
use crate::value::Duration;

/// Settings of a proxy.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// Directory of the generated config.
    pub config_path: Str,
    /// The proxy's executable.
    pub binary_path: Str,
    /// The name of the service that the proxy runs beside.
    pub service_cluster: Str,
    /// How long an old process lives after a hot restart.
    pub drain_duration: Duration,
    /// Older setting without effect in Istio as well.
    pub parent_shutdown_duration: Option<Duration>,
    /// Where the control plane is.
    pub discovery_address: Str,
    /// Older setting without effect in Istio as well.
    pub discovery_refresh_delay: Option<Duration>,
    /// Older spelling of `tracing.zipkin.address`.
    pub zipkin_address: Str,
    /// Address of a statsd server.
    pub statsd_udp_address: Str,
    /// Port of the administration interface.
    pub proxy_admin_port: u16,
    /// Older setting without effect in Istio as well.
    pub availability_zone: Str,
    /// How proxy and control plane authenticate each other.
    pub control_plane_auth_policy: AuthenticationPolicy,
    /// A file that replaces the generated bootstrap.
    pub custom_config_file: Str,
    /// Longest name of a statistic.
    pub stat_name_length: u32,
    /// Worker threads; 0 is one per core, absent: by the CPU limit.
    pub concurrency: Option<u32>,
    /// Template of the bootstrap.
    pub proxy_bootstrap_template_path: Str,
    /// How traffic gets to the proxy.
    pub interception_mode: InterceptionMode,
    /// Traces.
    pub tracing: Option<Tracing>,
    /// Service that gets access logs.
    pub envoy_access_log_service: Option<RemoteService>,
    /// Service that gets metrics.
    pub envoy_metrics_service: Option<RemoteService>,
    /// Environment of the proxy.
    pub proxy_metadata: BTreeMap<Str, Str>,
    /// Runtime values of the bootstrap.
    pub runtime_values: BTreeMap<Str, Str>,
    /// Port of the agent's status server.
    pub status_port: u16,
    /// More labels of the proxy's own statistics.
    pub extra_stat_tags: Vec<Str>,
    /// What stands before a gateway.
    pub gateway_topology: Option<GatewayTopology>,
    /// How long requests in flight may take when the process ends.
    pub termination_drain_duration: Duration,
    /// The mesh's id; empty is the trust domain.
    pub mesh_id: Str,
    /// Probe of a workload outside the cluster.
    pub readiness_probe: Option<ReadinessProbe>,
    /// More of the proxy's own statistics.
    pub proxy_stats_matcher: Option<ProxyStatsMatcher>,
    /// Whether the application starts after the proxy is ready.
    pub hold_application_until_proxy_starts: Option<bool>,
    /// More trusted roots, as PEM.
    pub ca_certificates_pem: Vec<Str>,
    /// The image.
    pub image: Option<ProxyImage>,
    /// Hardware for private keys, as written.
    pub private_key_provider: Option<Value>,
    /// Headers that the proxy sets by itself, as written.
    pub proxy_headers: Option<Value>,
    /// Time between writes of the access log.
    pub file_flush_interval: Option<Duration>,
    /// Size from which the access log is written, in KiB.
    pub file_flush_min_size_kb: Option<u32>,
    /// Whether metrics are served compressed.
    pub stats_compression: Option<bool>,
    /// Time after which unused statistics go.
    pub stats_eviction_interval: Option<Duration>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        let seconds = |n| Duration(std::time::Duration::from_secs(n));
        Self {
            config_path: "./etc/istio/proxy".into(),
            binary_path: "/usr/local/bin/envoy".into(),
            service_cluster: "istio-proxy".into(),
            drain_duration: seconds(45),
            parent_shutdown_duration: None,
            discovery_address: "istiod.istio-system.svc:15012".into(),
            discovery_refresh_delay: None,
            zipkin_address: Str::default(),
            statsd_udp_address: Str::default(),
            proxy_admin_port: 15000,
            availability_zone: Str::default(),
            control_plane_auth_policy: AuthenticationPolicy::MutualTls,
            custom_config_file: Str::default(),
            stat_name_length: 189,
            concurrency: None,
            proxy_bootstrap_template_path: Str::default(),
            interception_mode: InterceptionMode::Redirect,
            tracing: None,
            envoy_access_log_service: None,
            envoy_metrics_service: None,
            proxy_metadata: BTreeMap::new(),
            runtime_values: BTreeMap::new(),
            status_port: 15020,
            extra_stat_tags: Vec::new(),
            gateway_topology: None,
            termination_drain_duration: seconds(5),
            mesh_id: Str::default(),
            readiness_probe: None,
            proxy_stats_matcher: None,
            hold_application_until_proxy_starts: None,
            ca_certificates_pem: Vec::new(),
            image: None,
            private_key_provider: None,
            proxy_headers: None,
            file_flush_interval: None,
            file_flush_min_size_kb: None,
            stats_compression: None,
            stats_eviction_interval: None,
        }
    }
}

/// How proxy and control plane authenticate each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum AuthenticationPolicy {
    /// Not at all.
    #[serde(rename = "NONE")]
    None,
    /// By mutual TLS.
    #[default]
    #[serde(rename = "MUTUAL_TLS")]
    MutualTls,
    /// As the level above says.
    #[serde(rename = "INHERIT")]
    Inherit,
}

/// How traffic gets to the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum InterceptionMode {
    /// By REDIRECT.
    #[default]
    #[serde(rename = "REDIRECT")]
    Redirect,
    /// By TPROXY, which keeps the source address.
    #[serde(rename = "TPROXY")]
    Tproxy,
    /// Not at all.
    #[serde(rename = "NONE")]
    None,
}

/// Traces, in the older form of the proxy's own settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracing {
    /// Zipkin, as written.
    pub zipkin: Option<Value>,
    /// Lightstep, as written.
    pub lightstep: Option<Value>,
    /// Datadog, as written.
    pub datadog: Option<Value>,
    /// Stackdriver, as written.
    pub stackdriver: Option<Value>,
    /// OpenCensus, as written.
    pub open_census_agent: Option<Value>,
    /// More tags, as written.
    pub custom_tags: BTreeMap<Str, Value>,
    /// Longest path in a tag; 0 is 256.
    pub max_path_tag_length: u32,
    /// Share of new traces in percent; 0 is the mesh's default.
    pub sampling: f64,
    /// TLS to the collector.
    pub tls_settings: Option<ClientTlsSettings>,
    /// Whether Istio's own tags are set.
    pub enable_istio_tags: Option<bool>,
}

/// A service that the proxy reports to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RemoteService {
    /// `host:port`.
    pub address: Str,
    /// TLS to it.
    pub tls_settings: Option<ClientTlsSettings>,
    /// Keep-alive probes towards it.
    pub tcp_keepalive: Option<TcpKeepalive>,
}

/// What stands before a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayTopology {
    /// Trusted proxies in front.
    pub num_trusted_proxies: u32,
    /// What happens to `x-forwarded-client-cert`.
    pub forward_client_cert_details: Str,
    /// PROXY protocol is expected, as written.
    pub proxy_protocol: Option<Value>,
}

/// Which of the proxy's own statistics are kept besides Istio's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyStatsMatcher {
    /// By beginning.
    pub inclusion_prefixes: Vec<Str>,
    /// By end.
    pub inclusion_suffixes: Vec<Str>,
    /// By regular expression.
    pub inclusion_regexps: Vec<Str>,
}
