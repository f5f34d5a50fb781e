//! Who this proxy is, as told to the control plane: id, cluster, locality and metadata.
//!
//! The metadata's quirks are the protocol's: truth values are text, address lists are joined by
//! commas, numbers of ports are numbers.

mod metadata;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ferromesh_proto::envoy::config::core::v3::{self as core};
use ferromesh_proto::structs;
use ferromesh_types::Locality;
use serde_json::{Map, Value};

use crate::settings::ProxyConfig;

/// Everything that the node's description is made from.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// `<type>~<ip>~<name>.<namespace>~<namespace>.svc.<domain>`.
    pub id: String,
    /// The configuration of this proxy.
    pub proxy_config: ProxyConfig,
    /// The environment: `ISTIO_META_*`, `ISTIO_METAJSON_*`, `POD_NAME` and so on.
    pub environment: BTreeMap<String, String>,
    /// The pod's labels, from a file of the downward API.
    pub labels: BTreeMap<String, String>,
    /// The pod's annotations, from a file of the downward API.
    pub annotations: BTreeMap<String, String>,
    /// All addresses of the pod.
    pub instance_ips: Vec<IpAddr>,
    /// Names under which the control plane's certificate is accepted.
    pub pilot_names: Vec<String>,
    /// Where a stock Envoy writes outlier events.
    pub outlier_log_path: String,
    /// Port of the Prometheus listener.
    pub prometheus_port: u16,
    /// Port of the readiness listener.
    pub readiness_port: u16,
    /// Port of the Prometheus listener with mutual TLS; 0 for none.
    pub secure_metrics_port: u16,
    /// Port of the merged metrics with mutual TLS; 0 for none.
    pub secure_merged_metrics_port: u16,
    /// File name of the SDS socket inside its folder.
    pub workload_socket_file: String,
    /// What `ISTIO_VERSION` says when the environment does not.
    pub istio_version: String,
}

/// The finished description.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Node id.
    pub id: String,
    /// Service cluster.
    pub cluster: String,
    /// Where it runs.
    pub locality: Locality,
    /// Everything else.
    pub metadata: Map<String, Value>,
}

impl Node {
    /// Puts the description together.
    pub fn new(settings: &NodeSettings) -> Self {
        let metadata = metadata::build(settings);
        Self {
            id: settings.id.clone(),
            cluster: cluster(&settings.proxy_config, &metadata),
            locality: locality(&metadata),
            metadata,
        }
    }

    /// The protobuf form, as sent in discovery requests.
    pub fn to_proto(&self, user_agent: &str) -> core::Node {
        let locality = core::Locality {
            region: self.locality.region.to_string(),
            zone: self.locality.zone.to_string(),
            sub_zone: self.locality.sub_zone.to_string(),
        };
        core::Node {
            id: self.id.clone(),
            cluster: self.cluster.clone(),
            metadata: Some(structs::from_object(&self.metadata)),
            locality: (!self.locality.is_empty()).then_some(locality),
            user_agent_name: user_agent.to_owned(),
            ..core::Node::default()
        }
    }

    /// The JSON form inside a bootstrap.
    pub fn to_json(&self) -> Value {
        let mut locality = Map::new();
        for (name, part) in [
            ("region", &self.locality.region),
            ("zone", &self.locality.zone),
            ("sub_zone", &self.locality.sub_zone),
        ] {
            if !part.is_empty() {
                locality.insert(name.to_owned(), part.to_string().into());
            }
        }
        serde_json::json!({
            "id": self.id,
            "cluster": self.cluster,
            "locality": locality,
            "metadata": self.metadata,
        })
    }
}

/// The service cluster: a configured name, else made from what is known of the workload.
fn cluster(config: &ProxyConfig, metadata: &Map<String, Value>) -> String {
    const UNSET: &str = "istio-proxy";
    let text = |key: &str| {
        metadata
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let label = |key: &str| {
        let labels = metadata.get("LABELS").and_then(Value::as_object);
        labels.and_then(|labels| labels.get(key)?.as_str())
    };
    let (namespace, workload) = (text("NAMESPACE"), text("WORKLOAD_NAME"));
    let canonical = || {
        let name = [
            "service.istio.io/canonical-name",
            "app.kubernetes.io/name",
            "app",
        ];
        name.iter()
            .find_map(|key| label(key))
            .unwrap_or(workload)
            .to_owned()
    };
    let configured = match config.text("/tracingServiceName") {
        "CANONICAL_NAME_ONLY" => canonical(),
        "CANONICAL_NAME_AND_NAMESPACE" => format!("{}.{namespace}", canonical()),
        _ => config.text("/serviceCluster").to_owned(),
    };
    if !configured.is_empty() && configured != UNSET {
        return configured;
    }
    match label("app") {
        Some(app) => format!("{app}.{namespace}"),
        None if !workload.is_empty() => format!("{workload}.{namespace}"),
        None if !namespace.is_empty() => format!("{UNSET}.{namespace}"),
        None => UNSET.to_owned(),
    }
}

/// From the label `istio-locality`, whose parts may be parted by dots, as `/` is not allowed in a
/// label value.
fn locality(metadata: &Map<String, Value>) -> Locality {
    let labels = metadata.get("LABELS").and_then(Value::as_object);
    let text = labels.and_then(|labels| labels.get(metadata::LOCALITY_LABEL)?.as_str());
    text.map(Locality::parse).unwrap_or_default()
}
