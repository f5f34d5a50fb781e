//! xDS over gRPC: HTTP/2 on byte streams that the caller opens, so that TLS stays in its own crate.
//!
//! `client` opens ADS streams; `server` accepts them (and other gRPC calls); `codec` decodes what both
//! receive; `body` writes responses from shared bytes.

mod body;
pub mod client;
mod codec;
pub mod server;
#[cfg(test)]
mod tests;

/// The most that a request may weigh: Istio's own limit.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// The most that a response may weigh. Envoy has no limit; this one only stops a broken length.
pub const MAX_RESPONSE_BYTES: usize = 512 * 1024 * 1024;

/// Paths of the discovery services.
pub(crate) mod path {
    pub(crate) const ADS_DELTA: &str =
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
    pub(crate) const ADS_WORLD: &str =
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
    pub(crate) const SDS_DELTA: &str =
        "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets";
    pub(crate) const SDS_WORLD: &str =
        "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";
}
