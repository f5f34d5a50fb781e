//! Protobuf messages of Envoy and Istio, type URLs, JSON to protobuf and back.
