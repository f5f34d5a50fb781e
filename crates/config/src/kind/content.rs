//! Istio's kinds as content of objects: strict, read from `spec`.

use super::{
    authorization_policy::AuthorizationPolicy, destination_rule::DestinationRule,
    envoy_filter::EnvoyFilter, gateway::Gateway, peer_authentication::PeerAuthentication,
    proxy_config::ProxyConfig, request_authentication::RequestAuthentication,
    service_entry::ServiceEntry, sidecar::Sidecar, telemetry::Telemetry,
    traffic_extension::TrafficExtension, virtual_service::VirtualService, wasm_plugin::WasmPlugin,
    workload_entry::WorkloadEntry, workload_group::WorkloadGroup,
};
use crate::check::Findings;
use crate::parse::Body;

macro_rules! strict {
    ($($name:ident),+) => {$(
        impl Body for $name {
            const STRICT: bool = true;
            fn check(&self, _findings: &mut Findings<'_>) {}
        }
    )+};
}

strict!(
    AuthorizationPolicy,
    DestinationRule,
    EnvoyFilter,
    Gateway,
    PeerAuthentication,
    ProxyConfig,
    RequestAuthentication,
    ServiceEntry,
    Sidecar,
    Telemetry,
    TrafficExtension,
    VirtualService,
    WasmPlugin,
    WorkloadEntry,
    WorkloadGroup
);
