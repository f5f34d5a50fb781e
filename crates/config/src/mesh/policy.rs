//! The smaller parts of the mesh config.

use ferromesh_types::{Labels, Selector, Str};
use serde::Deserialize;

use crate::kind::gateway::TlsProtocol;
use crate::kind::sidecar::OutboundTrafficMode;

/// What happens to traffic for unknown destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutboundTrafficPolicy {
    /// The rule.
    pub mode: OutboundTrafficMode,
}

/// Where inbound traffic goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InboundTrafficPolicy {
    /// The rule.
    pub mode: InboundTrafficMode,
}

/// Where inbound traffic goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InboundTrafficMode {
    /// To the address that the client asked for.
    #[default]
    Passthrough,
    /// To the loopback address.
    Localhost,
}

/// Which Ingress objects are ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IngressControllerMode {
    /// Not said: STRICT.
    Unspecified,
    /// None.
    Off,
    /// Those without a class, too.
    Default,
    /// Those of our class.
    #[default]
    Strict,
}

/// Encoding of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccessLogEncoding {
    /// Text.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// How paths are normalised before routing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PathNormalization {
    /// How.
    pub normalization: Normalization,
}

/// How paths are normalised before routing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Normalization {
    /// BASE.
    #[default]
    Default,
    /// Not at all.
    None,
    /// By RFC 3986.
    Base,
    /// And slashes merged.
    MergeSlashes,
    /// And `%2F`, `%5C` decoded before.
    DecodeAndMergeSlashes,
}

/// TLS settings of the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MeshTls {
    /// The least version.
    pub min_protocol_version: TlsProtocol,
    /// Curves of the key exchange.
    pub ecdh_curves: Vec<Str>,
    /// Cipher suites up to TLS 1.2.
    pub cipher_suites: Vec<Str>,
}

/// Trusted roots; one of the sources is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateData {
    /// As PEM.
    pub pem: Str,
    /// From a SPIFFE bundle endpoint.
    pub spiffe_bundle_url: Str,
    /// The signers of the Kubernetes API that they are for.
    pub cert_signers: Vec<Str>,
    /// The trust domains that they are for.
    pub trust_domains: Vec<Str>,
}

/// Which namespaces the control plane looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DiscoverySelector {
    /// Labels that a namespace carries.
    pub match_labels: Selector,
    /// Conditions that all have to hold.
    pub match_expressions: Vec<LabelExpression>,
}

impl DiscoverySelector {
    /// Whether labels satisfy the selector.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.match_labels.matches(labels)
            && self
                .match_expressions
                .iter()
                .all(|expression| expression.matches(labels))
    }
}

/// A condition on a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LabelExpression {
    /// The label.
    pub key: Str,
    /// The condition.
    pub operator: LabelOperator,
    /// Values for `In` and `NotIn`.
    pub values: Vec<Str>,
}

impl LabelExpression {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            LabelOperator::In => listed,
            LabelOperator::NotIn => !listed,
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// A condition on a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum LabelOperator {
    /// It has one of the values.
    #[default]
    In,
    /// It has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}
