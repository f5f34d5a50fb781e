//! Where a proxy finds the certificates that a context names.
//!
//! The workload's own certificate and the trust bundle come from its agent; credentials of
//! Kubernetes Secrets come from the control plane; files come from the agent as well, which watches
//! them.

use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, SdsSecretConfig,
    common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
};

use crate::names;
use crate::value::no_limit;

/// A secret that the agent serves on its socket.
pub(crate) fn from_agent(name: impl Into<String>) -> SdsSecretConfig {
    let agent = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(
            core::grpc_service::EnvoyGrpc {
                cluster_name: names::SDS_CLUSTER.to_owned(),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let source = core::ApiConfigSource {
        api_type: core::api_config_source::ApiType::Grpc as i32,
        transport_api_version: core::ApiVersion::V3 as i32,
        grpc_services: vec![agent],
        set_node_on_first_message_only: true,
        ..Default::default()
    };
    SdsSecretConfig {
        name: name.into(),
        sds_config: Some(core::ConfigSource {
            config_source_specifier: Some(
                core::config_source::ConfigSourceSpecifier::ApiConfigSource(source),
            ),
            initial_fetch_timeout: no_limit(),
            resource_api_version: core::ApiVersion::V3 as i32,
            ..Default::default()
        }),
    }
}

/// Files of the proxy, which its agent watches: `file-cert:CHAIN~KEY`, `file-root:FILE`.
pub(crate) fn from_files(name: impl Into<String>) -> SdsSecretConfig {
    let mut config = from_agent(name);
    if let Some(source) = &mut config.sds_config {
        // A file may be missing for good; what waits for it must not hold up the rest for ever.
        source.initial_fetch_timeout = None;
    }
    config
}

/// A secret that the control plane serves.
pub(crate) fn from_control_plane(name: impl Into<String>) -> SdsSecretConfig {
    SdsSecretConfig {
        name: name.into(),
        sds_config: Some(core::ConfigSource {
            config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
                core::AggregatedConfigSource {},
            )),
            resource_api_version: core::ApiVersion::V3 as i32,
            ..Default::default()
        }),
    }
}

/// Trusts the roots of `secret` and checks what `context` says besides.
pub(crate) fn validation(
    context: CertificateValidationContext,
    secret: SdsSecretConfig,
) -> ValidationContextType {
    ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
        default_validation_context: Some(context),
        validation_context_sds_secret_config: Some(secret),
        ..Default::default()
    })
}
