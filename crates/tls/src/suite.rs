//! Versions and cipher suites of the settings as a rustls crypto provider.

use std::sync::Arc;

use ferromesh_types::Str;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::error::TlsError;
use crate::settings::{TlsParameters, TlsVersion};

/// The TLS 1.2 suites that exist here, by OpenSSL name and by IANA name.
const TLS12: [(&str, &str, SupportedCipherSuite); 6] = [
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The provider with the suites that were asked for; TLS 1.3 suites are not configurable.
pub(crate) fn provider(parameters: &TlsParameters) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = default_provider();
    if parameters.cipher_suites.is_empty() {
        return Ok(Arc::new(provider));
    }
    let chosen: Vec<_> = parameters
        .cipher_suites
        .iter()
        .filter_map(|name| suite(name))
        .collect();
    if chosen.is_empty() && parameters.max == TlsVersion::V1_2 {
        let names: Vec<_> = parameters.cipher_suites.iter().map(Str::as_str).collect();
        return Err(TlsError::Settings(format!(
            "none of the cipher suites {} is supported",
            names.join(", ")
        )));
    }
    provider
        .cipher_suites
        .retain(|suite| suite.tls13().is_some());
    provider.cipher_suites.extend(chosen);
    Ok(Arc::new(provider))
}

fn suite(name: &str) -> Option<SupportedCipherSuite> {
    TLS12
        .iter()
        .find(|(openssl, iana, _)| name.eq_ignore_ascii_case(openssl) || name == *iana)
        .map(|(_, _, suite)| *suite)
}

/// The versions between the bounds.
pub(crate) fn versions(parameters: &TlsParameters) -> &'static [&'static SupportedProtocolVersion] {
    const ONLY_1_2: &[&SupportedProtocolVersion] = &[&version::TLS12];
    const ONLY_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];
    const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
    match (parameters.min, parameters.max) {
        (_, TlsVersion::V1_2) => ONLY_1_2,
        (TlsVersion::V1_3, _) => ONLY_1_3,
        _ => BOTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_without_forward_secrecy_are_left_out() {
        let parameters = TlsParameters {
            cipher_suites: vec![
                "ECDHE-RSA-AES128-GCM-SHA256".into(),
                "AES128-GCM-SHA256".into(),
            ],
            ..TlsParameters::default()
        };
        let provider = provider(&parameters).expect("one is left");
        let tls12 = provider
            .cipher_suites
            .iter()
            .filter(|suite| suite.tls13().is_none());
        assert_eq!(tls12.count(), 1);
    }

    #[test]
    fn only_unknown_suites_are_an_error() {
        let parameters = TlsParameters {
            max: TlsVersion::V1_2,
            cipher_suites: vec!["AES128-SHA".into()],
            ..TlsParameters::default()
        };
        let error = provider(&parameters).expect_err("nothing is left");
        assert!(error.to_string().contains("AES128-SHA"));
    }
}
