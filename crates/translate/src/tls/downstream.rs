//! The server's side of TLS between workloads: a client certificate of the mesh is required.
//!
//! In: trust domains and the ALPN names to negotiate. Out: the context. What a gateway server asks
//! for is in `lds::server_tls`.

use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, TlsParameters,
};

use super::{sds, upstream};
use crate::names;
use crate::value::{flag, prefix};

/// TLS 1.2 cipher suites that mesh traffic may use, strongest first; forward secrecy preferred.
const CIPHER_SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// Mutual TLS that accepts every identity of the given trust domains.
pub(crate) fn mutual<'a>(
    trust_domains: impl Iterator<Item = &'a str>,
    alpn: &[&str],
) -> DownstreamTlsContext {
    let context = CertificateValidationContext {
        match_subject_alt_names: trust_domains
            .map(|domain| prefix(format!("spiffe://{domain}/")))
            .collect(),
        ..Default::default()
    };
    DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(parameters()),
            tls_certificate_sds_secret_configs: vec![sds::from_agent(names::SECRET_WORKLOAD)],
            alpn_protocols: super::strings(alpn),
            validation_context_type: Some(sds::validation(
                context,
                sds::from_agent(names::SECRET_ROOT),
            )),
            ..Default::default()
        }),
        require_client_certificate: flag(true),
        ..Default::default()
    }
}

/// Versions and cipher suites of mesh traffic.
pub(crate) fn parameters() -> TlsParameters {
    TlsParameters {
        cipher_suites: super::strings(CIPHER_SUITES),
        ..upstream::versions()
    }
}
