//! One request of either protocol variant.

use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};

/// Which of the two protocols a stream speaks; it never changes within a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Only what changed is sent.
    #[default]
    Delta,
    /// Every response of a wildcard type holds everything.
    StateOfTheWorld,
}

/// A request as it came from the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Of a delta stream.
    Delta(Box<DeltaDiscoveryRequest>),
    /// Of a state-of-the-world stream.
    StateOfTheWorld(Box<DiscoveryRequest>),
}

impl Request {
    /// The type that the request is about.
    pub fn type_url(&self) -> &str {
        match self {
            Self::Delta(request) => &request.type_url,
            Self::StateOfTheWorld(request) => &request.type_url,
        }
    }

    /// Who asks; usually only the first request of a stream says so.
    pub fn node(&self) -> Option<&Node> {
        match self {
            Self::Delta(request) => request.node.as_ref(),
            Self::StateOfTheWorld(request) => request.node.as_ref(),
        }
    }

    /// The explicitly named resources that the request adds or lists.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Delta(request) => &request.resource_names_subscribe,
            Self::StateOfTheWorld(request) => &request.resource_names,
        }
    }

    /// The nonce of the response that the request answers; empty when it answers none.
    pub fn nonce(&self) -> &str {
        match self {
            Self::Delta(request) => &request.response_nonce,
            Self::StateOfTheWorld(request) => &request.response_nonce,
        }
    }

    /// Why the client rejected the response, when it did.
    pub fn rejection(&self) -> Option<&str> {
        let detail = match self {
            Self::Delta(request) => request.error_detail.as_ref(),
            Self::StateOfTheWorld(request) => request.error_detail.as_ref(),
        };
        detail.map(|status| status.message.as_str())
    }
}
