//! The client's side of TLS between workloads.
//!
//! In: the server name, the identities that may answer and the ALPN list. Out: the context. TLS that
//! a DestinationRule asks for is in `cds::client_tls`.

use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, TlsParameters, UpstreamTlsContext,
    tls_parameters::TlsProtocol,
};

use super::sds;
use crate::names;
use crate::value::exact;

/// Mutual TLS with the workload's own certificate. `sans` are the identities of the server; an
/// empty list trusts every certificate of the mesh.
pub(crate) fn mutual<'a>(
    sni: String,
    sans: impl Iterator<Item = &'a str>,
    alpn: &[&str],
) -> UpstreamTlsContext {
    let context = CertificateValidationContext {
        match_subject_alt_names: sans.map(exact).collect(),
        ..Default::default()
    };
    UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(versions()),
            tls_certificate_sds_secret_configs: vec![sds::from_agent(names::SECRET_WORKLOAD)],
            alpn_protocols: super::strings(alpn),
            validation_context_type: Some(sds::validation(
                context,
                sds::from_agent(names::SECRET_ROOT),
            )),
            ..Default::default()
        }),
        sni,
        ..Default::default()
    }
}

/// TLS 1.2 to 1.3: Envoy's clients would stop at 1.2 by themselves.
pub(crate) fn versions() -> TlsParameters {
    TlsParameters {
        tls_minimum_protocol_version: TlsProtocol::TlSv12 as i32,
        tls_maximum_protocol_version: TlsProtocol::TlSv13 as i32,
        ..Default::default()
    }
}
