//! Versions and cipher suites of the settings as a rustls crypto provider.

use std::sync::Arc;

use ferromesh_types::Str;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, NamedGroup, SupportedCipherSuite, SupportedProtocolVersion, version};

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

/// Suites that Envoy knows and that do not exist here: without forward secrecy, or CBC.
const LEFT_OUT: [&str; 18] = [
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-PSK-AES128-CBC-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-PSK-AES256-CBC-SHA",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-PSK-CHACHA20-POLY1305",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "AES128-SHA256",
    "AES256-SHA256",
    "DES-CBC3-SHA",
];

/// Key exchange groups by OpenSSL name and by IANA name.
const GROUPS: [(&str, &str, &dyn SupportedKxGroup); 5] = [
    ("X25519MLKEM768", "X25519MLKEM768", kx_group::X25519MLKEM768),
    ("X25519", "x25519", kx_group::X25519),
    ("P-256", "secp256r1", kx_group::SECP256R1),
    ("P-384", "secp384r1", kx_group::SECP384R1),
    (
        "SecP256r1MLKEM768",
        "SECP256R1MLKEM768",
        kx_group::SECP256R1MLKEM768,
    ),
];

/// The provider with the suites and groups that were asked for; TLS 1.3 suites are not configurable.
pub(crate) fn provider(parameters: &TlsParameters) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = default_provider();
    if !parameters.groups.is_empty() {
        let groups = parameters.groups.iter().map(|name| group(name));
        provider.kx_groups = groups.collect::<Result<_, _>>()?;
    }
    if parameters.min > parameters.max {
        let reason = "the lowest version is higher than the highest";
        return Err(TlsError::Settings(reason.to_owned()));
    }
    if parameters.cipher_suites.is_empty() {
        return Ok(Arc::new(provider));
    }
    let mut chosen = Vec::new();
    // `[A|B]` is a group of equals for Envoy; here one is simply before the other.
    let names = parameters
        .cipher_suites
        .iter()
        .flat_map(|entry| entry.split(['[', ']', '|', ':']))
        .filter(|name| !name.is_empty());
    for name in names {
        chosen.extend(suite(name)?);
    }
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

/// The suite of that name; `None` for those that are left out.
fn suite(name: &str) -> Result<Option<SupportedCipherSuite>, TlsError> {
    let found = TLS12
        .iter()
        .find(|(openssl, iana, _)| name.eq_ignore_ascii_case(openssl) || name == *iana)
        .map(|(_, _, suite)| *suite);
    if found.is_none() && !LEFT_OUT.contains(&name) {
        let reason = format!("{name} is no cipher suite of TLS 1.2");
        return Err(TlsError::Settings(reason));
    }
    Ok(found)
}

fn group(name: &str) -> Result<&'static dyn SupportedKxGroup, TlsError> {
    let is_it = |(openssl, iana, _): &&(&str, &str, _)| {
        name.eq_ignore_ascii_case(openssl) || name.eq_ignore_ascii_case(iana)
    };
    GROUPS
        .iter()
        .find(is_it)
        .map(|(.., group)| *group)
        .ok_or_else(|| {
            let known: Vec<&str> = GROUPS.iter().map(|(name, ..)| *name).collect();
            let known = known.join(", ");
            TlsError::Settings(format!(
                "the curve {name} is not supported; known are {known}"
            ))
        })
}

/// What OpenSSL calls a suite.
pub(crate) fn name(suite: SupportedCipherSuite) -> &'static str {
    match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => TLS12
            .iter()
            .find(|(.., known)| known.suite() == other)
            .map_or("", |(openssl, ..)| openssl),
    }
}

/// What OpenSSL calls a group.
pub(crate) fn group_name(group: NamedGroup) -> &'static str {
    let found = GROUPS.iter().find(|(.., known)| known.name() == group);
    found.map_or("", |(openssl, ..)| openssl)
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
    fn unknown_names_are_refused_and_groups_keep_their_order() {
        let with = |suites: &[&str], groups: &[&str]| {
            let names = |list: &[&str]| list.iter().map(|name| Str::from(*name)).collect();
            provider(&TlsParameters {
                cipher_suites: names(suites),
                groups: names(groups),
                ..TlsParameters::default()
            })
        };
        let error = with(&["ECDHE-RSA-ROT13"], &[]).expect_err("unknown");
        assert!(error.to_string().contains("ECDHE-RSA-ROT13"), "{error}");
        let error = with(&[], &["P-521"]).expect_err("unknown");
        assert!(error.to_string().contains("P-521"), "{error}");
        let chosen = with(&[], &["P-384", "X25519"]).expect("known");
        let names: Vec<_> = chosen.kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(
            names,
            [rustls::NamedGroup::secp384r1, rustls::NamedGroup::X25519]
        );
        let preferred = default_provider().kx_groups[0].name();
        assert_eq!(preferred, rustls::NamedGroup::X25519MLKEM768);
        let equals = "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]";
        let chosen = with(&[equals], &[]).expect("known");
        let tls12 = chosen
            .cipher_suites
            .iter()
            .filter(|it| it.tls13().is_none());
        assert_eq!(tls12.count(), 2);
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
