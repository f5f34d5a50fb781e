//! What is signed, and what never is.

use super::*;
use crate::error::ErrorKind;
use x509_parser::extensions::GeneralName;

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("a time")
}

fn authority() -> Authority {
    let directory = tempfile::tempdir().expect("a directory");
    let material =
        KeyMaterial::self_signed(directory.path(), "cluster.local", now()).expect("a root");
    Authority::new(material, AuthoritySettings::default())
}

fn caller() -> Caller {
    Caller::from_spiffe_id("spiffe://cluster.local/ns/shop/sa/web").expect("an id")
}

/// A request that claims to be somebody else.
fn request() -> String {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    let other = "spiffe://cluster.local/ns/istio-system/sa/istiod";
    params.subject_alt_names = vec![SanType::URI(other.try_into().expect("ascii"))];
    let request = params.serialize_request(&key).expect("a request");
    request.pem().expect("PEM")
}

fn der(pem: &str) -> Vec<u8> {
    let block = x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()).next();
    block.expect("a block").expect("valid").contents
}

#[test]
fn the_name_comes_from_the_caller_and_never_from_the_request() {
    let issued = authority()
        .sign(&request(), &caller(), None, now())
        .expect("signed");
    let der = der(&issued.leaf);
    let (_, leaf) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
    let names = leaf
        .subject_alternative_name()
        .expect("valid")
        .expect("there");
    assert!(names.critical);
    let expected = GeneralName::URI("spiffe://cluster.local/ns/shop/sa/web");
    assert_eq!(names.value.general_names, [expected]);
    assert_eq!(leaf.subject().iter().count(), 0);
    let usage = leaf.extended_key_usage().expect("valid").expect("there");
    assert!(usage.value.client_auth && usage.value.server_auth);
    assert!(!leaf.is_ca());
}

#[test]
fn a_certificate_lives_a_day_from_two_minutes_ago() {
    let issued = authority()
        .sign(&request(), &caller(), None, now())
        .expect("signed");
    let der = der(&issued.leaf);
    let (_, leaf) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
    let validity = leaf.validity();
    let start = now().unix_timestamp();
    assert_eq!(validity.not_before.timestamp(), start - 120);
    assert_eq!(validity.not_after.timestamp(), start + 24 * 3600);
    assert_eq!(issued.not_after.unix_timestamp(), start + 24 * 3600);
}

#[test]
fn the_response_ends_with_the_roots_and_verifies() {
    let authority = authority();
    let response = authority
        .sign(&request(), &caller(), None, now())
        .expect("signed")
        .into_response();
    assert_eq!(response.len(), 2);
    assert_eq!(response[1], authority.roots());
    let (leaf, root) = (der(&response[0]), der(&response[1]));
    let (_, leaf) = x509_parser::parse_x509_certificate(&leaf).expect("a certificate");
    let (_, root) = x509_parser::parse_x509_certificate(&root).expect("a certificate");
    leaf.verify_signature(Some(root.public_key()))
        .expect("signed by the root");
}

#[test]
fn a_lifetime_beyond_the_maximum_is_an_error_and_not_cut() {
    let year = Duration::from_hours(365 * 24);
    let error = authority()
        .sign(&request(), &caller(), Some(year), now())
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.to_string().contains("7776000"), "{error}");
}

#[test]
fn a_request_that_cannot_be_read_or_is_not_proven_is_refused() {
    let authority = authority();
    for text in [
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----",
    ] {
        let error = authority
            .sign(text, &caller(), None, now())
            .expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    let mut forged = der(&request());
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = pem_request(&forged);
    let error = authority
        .sign(&forged, &caller(), None, now())
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

fn pem_request(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}

#[test]
fn a_plugged_in_intermediate_is_part_of_the_chain() {
    let directory = tempfile::tempdir().expect("a directory");
    let root_key = KeyPair::generate().expect("a key");
    let mut root = CertificateParams::default();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).expect("a root").pem();
    let issuer = Issuer::from_ca_cert_pem(&root_pem, &root_key).expect("an issuer");
    let key = KeyPair::generate().expect("a key");
    let mut intermediate = CertificateParams::default();
    intermediate.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let intermediate = intermediate.signed_by(&key, &issuer).expect("signed").pem();
    let put = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("written");
    };
    put("ca-cert.pem", &intermediate);
    put("ca-key.pem", &key.serialize_pem());
    put("root-cert.pem", &root_pem);
    put("cert-chain.pem", &format!("{intermediate}{root_pem}"));
    let material = KeyMaterial::plugged_in(directory.path()).expect("read");
    let authority = Authority::new(material, AuthoritySettings::default());
    let issued = authority
        .sign(&request(), &caller(), None, now())
        .expect("signed");
    assert_eq!(issued.intermediates.len(), 1);
    assert_eq!(der(&issued.intermediates[0]), der(&intermediate));
    assert_eq!(der(&issued.roots), der(&root_pem));
}

#[test]
fn the_serving_certificate_has_the_names_it_was_asked_for() {
    let names = ["istiod.istio-system.svc".to_owned(), "127.0.0.1".to_owned()];
    let serving = authority().serving(&names, now()).expect("signed");
    let der = der(&serving.chain);
    let (_, leaf) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
    let found = leaf
        .subject_alternative_name()
        .expect("valid")
        .expect("there");
    let expected = [
        GeneralName::DNSName("istiod.istio-system.svc"),
        GeneralName::IPAddress(&[127, 0, 0, 1]),
    ];
    assert_eq!(found.value.general_names, expected);
}
