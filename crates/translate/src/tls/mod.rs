//! Transport sockets: TLS between workloads, TLS that config asks for, and plaintext.
//!
//! `sds` names where certificates come from, `upstream` is the client's side, `downstream` the
//! server's.

pub(crate) mod downstream;
pub(crate) mod sds;
pub(crate) mod upstream;

use ferromesh_proto::envoy::config::core::v3::{TransportSocket, transport_socket::ConfigType};
use ferromesh_proto::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use prost::{Message, Name};

use crate::value::any;

/// ALPN names that a sidecar offers beside the real ones, so that the other side can tell mesh
/// traffic from TLS that belongs to the application.
pub(crate) mod alpn {
    /// Any bytes inside mutual TLS.
    pub(crate) const ISTIO: &str = "istio";
    /// Any bytes, after an exchange of peer metadata (Istio's own proxies).
    pub(crate) const PEER_EXCHANGE: &str = "istio-peer-exchange";
    /// HTTP/1.0 inside mutual TLS.
    pub(crate) const ISTIO_HTTP10: &str = "istio-http/1.0";
    /// HTTP/1.1 inside mutual TLS.
    pub(crate) const ISTIO_HTTP11: &str = "istio-http/1.1";
    /// HTTP/2 inside mutual TLS.
    pub(crate) const ISTIO_H2: &str = "istio-h2";
    /// HTTP/1.1.
    pub(crate) const HTTP11: &str = "http/1.1";
    /// HTTP/2 over TLS.
    pub(crate) const H2: &str = "h2";
    /// HTTP/2 in plaintext, as the HTTP inspector reports it.
    pub(crate) const H2C: &str = "h2c";
}

/// A TLS transport socket around a context.
pub(crate) fn tls_socket<M: Message + Name>(context: &M) -> TransportSocket {
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(context))),
    }
}

/// A transport socket without encryption.
pub(crate) fn raw_socket() -> TransportSocket {
    TransportSocket {
        name: "envoy.transport_sockets.raw_buffer".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&RawBuffer {}))),
    }
}

/// Texts as the repeated string that protobuf wants.
pub(crate) fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}
