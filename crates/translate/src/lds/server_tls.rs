//! TLS of a gateway's server, as its Gateway asks for it.

use ferromesh_config::kind::gateway::{
    CIPHER_SUITES, ServerTlsMode, ServerTlsSettings, TlsProtocol,
};
use ferromesh_config::mesh::MeshConfig;
use ferromesh_model::Dialect;
use ferromesh_proto::envoy::config::core::v3::{DataSource, data_source::Specifier};
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
    TlsParameters, common_tls_context::ValidationContextType, tls_parameters,
};
use ferromesh_types::Str;

use crate::cds::client_tls::credential;
use crate::tls::{alpn, downstream, sds, strings};
use crate::value::{exact, flag};

/// The context of a server.
pub(super) fn context(settings: &ServerTlsSettings, mesh: &MeshConfig) -> DownstreamTlsContext {
    let offered = [alpn::H2, alpn::HTTP11];
    if settings.mode == ServerTlsMode::IstioMutual {
        let domains = std::iter::once(&mesh.trust_domain).chain(&mesh.trust_domain_aliases);
        return downstream::mutual(domains.map(Str::as_str), &offered);
    }
    let asks = matches!(
        settings.mode,
        ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual
    );
    DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: parameters(settings),
            tls_certificate_sds_secret_configs: certificates(settings),
            alpn_protocols: strings(&offered),
            validation_context_type: asks.then(|| client_verification(settings)).flatten(),
            ..Default::default()
        }),
        require_client_certificate: flag(settings.mode == ServerTlsMode::Mutual),
        ..Default::default()
    }
}

/// The server's certificates: Secrets before files.
fn certificates(settings: &ServerTlsSettings) -> Vec<SdsSecretConfig> {
    let names = secret_names(settings);
    if !names.is_empty() {
        return names
            .iter()
            .map(|name| sds::from_control_plane(credential(name)))
            .collect();
    }
    let pairs: Vec<(&Str, &Str)> = if settings.tls_certificates.is_empty() {
        vec![(&settings.server_certificate, &settings.private_key)]
    } else {
        settings
            .tls_certificates
            .iter()
            .map(|pair| (&pair.server_certificate, &pair.private_key))
            .collect()
    };
    pairs
        .into_iter()
        .map(|(chain, key)| sds::from_files(format!("file-cert:{chain}~{key}")))
        .collect()
}

fn secret_names(settings: &ServerTlsSettings) -> Vec<&Str> {
    if settings.credential_names.is_empty() {
        Some(&settings.credential_name)
            .filter(|name| !name.is_empty())
            .into_iter()
            .collect()
    } else {
        settings.credential_names.iter().collect()
    }
}

/// How client certificates are verified; `None` if no roots are named.
fn client_verification(settings: &ServerTlsSettings) -> Option<ValidationContextType> {
    let texts = |items: &[Str]| items.iter().map(ToString::to_string).collect();
    let context = CertificateValidationContext {
        verify_certificate_spki: texts(&settings.verify_certificate_spki),
        verify_certificate_hash: texts(&settings.verify_certificate_hash),
        match_subject_alt_names: settings
            .subject_alt_names
            .iter()
            .map(|name| exact(name.as_str()))
            .collect(),
        crl: (!settings.ca_crl.is_empty()).then(|| DataSource {
            specifier: Some(Specifier::Filename(settings.ca_crl.to_string())),
            ..Default::default()
        }),
        ..Default::default()
    };
    Some(sds::validation(context, client_roots(settings)?))
}

fn client_roots(settings: &ServerTlsSettings) -> Option<SdsSecretConfig> {
    if !settings.ca_cert_credential_name.is_empty() {
        let name = credential(&settings.ca_cert_credential_name);
        return Some(sds::from_control_plane(name));
    }
    if let Some(name) = secret_names(settings).first() {
        return Some(sds::from_control_plane(format!(
            "{}-cacert",
            credential(name)
        )));
    }
    (!settings.ca_certificates.is_empty())
        .then(|| sds::from_files(format!("file-root:{}", settings.ca_certificates)))
}

/// Versions and suites; `None` leaves them to the proxy.
fn parameters(settings: &ServerTlsSettings) -> Option<TlsParameters> {
    let parameters = TlsParameters {
        tls_minimum_protocol_version: version(settings.min_protocol_version) as i32,
        tls_maximum_protocol_version: version(settings.max_protocol_version) as i32,
        cipher_suites: suites(settings).map(ToString::to_string).collect(),
        ..Default::default()
    };
    (parameters != TlsParameters::default()).then_some(parameters)
}

/// The suites that exist: proxies refuse a list with any other name.
fn suites(settings: &ServerTlsSettings) -> impl Iterator<Item = &Str> {
    let known = |suite: &&Str| CIPHER_SUITES.contains(&suite.as_str());
    settings.cipher_suites.iter().filter(known)
}

/// Whether a proxy of this dialect can serve with these settings. Ours speaks TLS 1.2 and 1.3, with
/// forward secrecy and authenticated encryption only.
pub(super) fn is_spoken(settings: &ServerTlsSettings, dialect: Dialect) -> bool {
    let modern = |suite: &Str| {
        suite.starts_with("ECDHE") && (suite.contains("GCM") || suite.contains("CHACHA20"))
    };
    dialect != Dialect::Ferromesh
        || match settings.max_protocol_version {
            TlsProtocol::V1_0 | TlsProtocol::V1_1 => false,
            TlsProtocol::V1_2 => suites(settings).next().is_none() || suites(settings).any(modern),
            TlsProtocol::Auto | TlsProtocol::V1_3 => true,
        }
}

fn version(version: TlsProtocol) -> tls_parameters::TlsProtocol {
    match version {
        TlsProtocol::Auto => tls_parameters::TlsProtocol::TlsAuto,
        TlsProtocol::V1_0 => tls_parameters::TlsProtocol::TlSv10,
        TlsProtocol::V1_1 => tls_parameters::TlsProtocol::TlSv11,
        TlsProtocol::V1_2 => tls_parameters::TlsProtocol::TlSv12,
        TlsProtocol::V1_3 => tls_parameters::TlsProtocol::TlSv13,
    }
}
