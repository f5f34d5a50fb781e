//! The node of an xDS stream as the model's proxy.
//!
//! Metadata comes from Istio's environment of the agent: booleans and lists are strings there.

use ferromesh_model::{Capabilities, Proxy, ProxyIdError, ProxySettings};
use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_proto::google::protobuf::value::Kind;
use ferromesh_proto::google::protobuf::{Struct, Value};
use ferromesh_types::{Labels, Locality, Namespace, Str};

/// What the node says for debug pages and checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// `ISTIO_VERSION`.
    pub istio_version: Str,
    /// `FERROMESH_VERSION`.
    pub ferromesh_version: Str,
    /// The build that Envoy names.
    pub user_agent: Str,
}

/// Reads a node.
pub fn proxy_of(node: &Node) -> Result<(Proxy, NodeFacts), ProxyIdError> {
    let metadata = Metadata(node.metadata.as_ref());
    let mut proxy = Proxy::from_id(&node.id)?;
    let others = metadata.text("INSTANCE_IPS").unwrap_or_default();
    for address in others
        .split(',')
        .filter_map(|text| text.trim().parse().ok())
    {
        if !proxy.addresses.contains(&address) {
            proxy.addresses.push(address);
        }
    }
    if let Some(namespace) = metadata.text("NAMESPACE") {
        proxy.namespace = Namespace::from(namespace);
    }
    proxy.labels = metadata.labels("LABELS");
    proxy.cluster = metadata.text("CLUSTER_ID").unwrap_or_default().into();
    proxy.network = metadata.text("NETWORK").unwrap_or_default().into();
    proxy.service_account = metadata.text("SERVICE_ACCOUNT").unwrap_or_default().into();
    proxy.workload_name = metadata.text("WORKLOAD_NAME").unwrap_or_default().into();
    if let Some(locality) = &node.locality {
        proxy.locality = Locality {
            region: locality.region.as_str().into(),
            zone: locality.zone.as_str().into(),
            sub_zone: locality.sub_zone.as_str().into(),
        };
    }
    proxy.dialect = Capabilities {
        ferromesh_version: metadata.has("FERROMESH_VERSION"),
        istio_version: metadata.has("ISTIO_VERSION"),
        stock_envoy: metadata.flag("FERROMESH_STOCK_ENVOY"),
    }
    .dialect();
    proxy.settings = metadata.settings();
    let text = |key: &str| Str::from(metadata.text(key).unwrap_or_default());
    let facts = NodeFacts {
        istio_version: text("ISTIO_VERSION"),
        ferromesh_version: text("FERROMESH_VERSION"),
        user_agent: node.user_agent_name.as_str().into(),
    };
    Ok((proxy, facts))
}

/// The metadata of a node.
struct Metadata<'a>(Option<&'a Struct>);

impl<'a> Metadata<'a> {
    fn kind(&self, key: &str) -> Option<&'a Kind> {
        self.0?.fields.get(key)?.kind.as_ref()
    }

    fn has(&self, key: &str) -> bool {
        self.kind(key).is_some()
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        match self.kind(key)? {
            Kind::StringValue(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn flag(&self, key: &str) -> bool {
        match self.kind(key) {
            Some(Kind::StringValue(text)) => text == "true" || text == "1",
            Some(Kind::BoolValue(flag)) => *flag,
            _ => false,
        }
    }

    fn labels(&self, key: &str) -> Labels {
        let Some(Kind::StructValue(labels)) = self.kind(key) else {
            return Labels::default();
        };
        let pairs = labels
            .fields
            .iter()
            .filter_map(|(name, value)| match value {
                Value {
                    kind: Some(Kind::StringValue(text)),
                } => Some((name.as_str(), text.as_str())),
                _ => None,
            });
        pairs.collect()
    }

    fn files(&self, prefix: &str) -> Option<[Str; 3]> {
        let chain = self.text(&format!("{prefix}_CERT_CHAIN"))?;
        let key = self.text(&format!("{prefix}_KEY"))?;
        let root = self
            .text(&format!("{prefix}_ROOT_CERT"))
            .unwrap_or_default();
        Some([chain.into(), key.into(), root.into()])
    }

    fn settings(&self) -> ProxySettings {
        let mode = self.text("INTERCEPTION_MODE").unwrap_or_default();
        ProxySettings {
            no_interception: mode == "NONE",
            transparent: mode == "TPROXY",
            http10: self.flag("HTTP10"),
            dns_capture: self.flag("DNS_CAPTURE"),
            unprivileged: self.flag("UNPRIVILEGED_POD"),
            inbound_exact_balance: self.flag("INBOUND_LISTENER_EXACT_BALANCE"),
            outbound_exact_balance: self.flag("OUTBOUND_LISTENER_EXACT_BALANCE"),
            http_proxy_port: self
                .text("HTTP_PROXY_PORT")
                .and_then(|port| port.parse().ok())
                .unwrap_or_default(),
            idle_timeout: self.text("IDLE_TIMEOUT").unwrap_or_default().into(),
            server_certificate_files: self.files("TLS_SERVER"),
            client_certificate_files: self.files("TLS_CLIENT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromesh_model::Dialect;

    fn node(pairs: &[(&str, &str)]) -> Node {
        let value = |text: &str| Value {
            kind: Some(Kind::StringValue(text.to_owned())),
        };
        let mut fields: std::collections::HashMap<String, Value> = pairs
            .iter()
            .map(|(key, text)| ((*key).to_owned(), value(text)))
            .collect();
        let labels = Struct {
            fields: [("app".to_owned(), value("web"))].into(),
        };
        let labels = Value {
            kind: Some(Kind::StructValue(labels)),
        };
        fields.insert("LABELS".to_owned(), labels);
        Node {
            id: "sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local".into(),
            metadata: Some(Struct { fields }),
            ..Node::default()
        }
    }

    #[test]
    fn metadata_is_read_as_istio_writes_it() {
        let (proxy, facts) = proxy_of(&node(&[
            ("ISTIO_VERSION", "1.30.3"),
            ("NAMESPACE", "shop"),
            ("INSTANCE_IPS", "10.1.2.3,fd00::3"),
            ("DNS_CAPTURE", "true"),
            ("INTERCEPTION_MODE", "REDIRECT"),
            ("CLUSTER_ID", "Kubernetes"),
        ]))
        .expect("a valid node");
        assert_eq!(proxy.dialect, Dialect::Istio);
        assert_eq!(proxy.addresses.len(), 2);
        assert!(proxy.settings.dns_capture && !proxy.settings.no_interception);
        assert_eq!(proxy.labels.get("app").map(Str::as_str), Some("web"));
        assert_eq!(facts.istio_version, "1.30.3");
    }

    #[test]
    fn our_proxy_and_a_stock_envoy_are_told_apart() {
        let dialect = |pairs| proxy_of(&node(pairs)).expect("a valid node").0.dialect;
        assert_eq!(
            dialect(&[("FERROMESH_VERSION", "0.1.0")]),
            Dialect::Ferromesh
        );
        let stock = [
            ("FERROMESH_VERSION", "0.1.0"),
            ("FERROMESH_STOCK_ENVOY", "true"),
        ];
        assert_eq!(dialect(&stock), Dialect::StockEnvoy);
        assert_eq!(dialect(&[]), Dialect::StockEnvoy);
    }
}
