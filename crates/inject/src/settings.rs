//! What the installation decides about injection.

use ferromesh_types::Selector;
use serde_json::{Value, json};

/// What happens to a pod that says nothing itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It gets a proxy, if its namespace asks for proxies.
    #[default]
    Enabled,
    /// It gets none.
    Disabled,
}

/// The installation's settings.
#[derive(Clone, Debug)]
pub struct InjectSettings {
    /// The image of the proxy and of the init container.
    pub image: String,
    /// The revision of this control plane; `default` serves pods without a revision label.
    pub revision: String,
    /// What happens to a pod that says nothing itself.
    pub policy: Policy,
    /// Whether pods of namespaces without any label get a proxy.
    pub every_namespace: bool,
    /// Pods with these labels get a proxy whatever the policy.
    pub always: Vec<Selector>,
    /// Pods with these labels never do, unless they say so themselves.
    pub never: Vec<Selector>,
    /// `host:port` of the control plane.
    pub discovery_address: String,
    /// The cluster's DNS suffix.
    pub cluster_domain: String,
    /// The mesh's trust domain.
    pub trust_domain: String,
    /// The mesh's name; usually the trust domain.
    pub mesh_id: String,
    /// The cluster's name.
    pub cluster_id: String,
    /// The network of the pods; empty for the default network.
    pub network: String,
    /// The mesh's `defaultConfig`, in its JSON form.
    pub default_config: Value,
    /// Whether the proxy is an init container that keeps running, and so starts before and stops
    /// after the application (Kubernetes 1.33).
    pub native_sidecars: bool,
    /// Whether metrics of proxy and application are scraped from one port.
    pub merge_metrics: bool,
    /// Whether the kubelet's probes go through the proxy's status port.
    pub rewrite_probes: bool,
    /// Outbound ranges to capture (`*` is all).
    pub include_ip_ranges: String,
    /// Outbound ranges to leave alone.
    pub exclude_ip_ranges: String,
    /// The log level of the proxy.
    pub log_level: String,
}

impl Default for InjectSettings {
    fn default() -> Self {
        Self {
            image: "ferromesh/proxyv2".to_owned(),
            revision: "default".to_owned(),
            policy: Policy::Enabled,
            every_namespace: false,
            always: Vec::new(),
            never: Vec::new(),
            discovery_address: "istiod.istio-system.svc:15012".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            mesh_id: "cluster.local".to_owned(),
            cluster_id: "Kubernetes".to_owned(),
            network: String::new(),
            default_config: json!({}),
            native_sidecars: true,
            merge_metrics: true,
            rewrite_probes: true,
            include_ip_ranges: "*".to_owned(),
            exclude_ip_ranges: String::new(),
            log_level: "warning".to_owned(),
        }
    }
}

/// The object that made the pod: it names the workload in telemetry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// The object's name.
    pub name: String,
}
