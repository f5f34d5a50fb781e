//! Operators about TLS, on either side.

use serde_json::{Value, json};

use super::{operators, tls_cluster};
use crate::conformance::beside::{Row, Way, row};

/// Keys of the log and what they show; what begins with `any` is never the same twice.
const OPERATORS: &[(&str, &str)] = &[
    ("version", "%DOWNSTREAM_TLS_VERSION%"),
    ("cipher", "%DOWNSTREAM_TLS_CIPHER%"),
    ("group", "%DOWNSTREAM_TLS_GROUP%"),
    ("peer_uris", "%DOWNSTREAM_PEER_URI_SAN%"),
    ("peer_dns", "%DOWNSTREAM_PEER_DNS_SAN%"),
    ("peer_ip", "%DOWNSTREAM_PEER_IP_SAN%"),
    ("peer_email", "%DOWNSTREAM_PEER_EMAIL_SAN%"),
    ("peer_subject", "%DOWNSTREAM_PEER_SUBJECT%"),
    ("peer_issuer", "%DOWNSTREAM_PEER_ISSUER%"),
    ("peer_serial", "%DOWNSTREAM_PEER_SERIAL%"),
    ("peer_sha256", "%DOWNSTREAM_PEER_FINGERPRINT_256%"),
    ("peer_chain", "%DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256%"),
    ("peer_sha1", "%DOWNSTREAM_PEER_FINGERPRINT_1%"),
    ("peer_chain_sha1", "%DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1%"),
    ("peer_issuer_serial", "%DOWNSTREAM_PEER_ISSUER_SERIAL%"),
    (
        "peer_issuer_sha256",
        "%DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256%",
    ),
    ("peer_other", "%DOWNSTREAM_PEER_OTHERNAME_SAN%"),
    ("local_other", "%DOWNSTREAM_LOCAL_OTHERNAME_SAN%"),
    ("any_handshake", "%DOWNSTREAM_HANDSHAKE_DURATION%"),
    ("peer_serials", "%DOWNSTREAM_PEER_CHAIN_SERIALS%"),
    ("peer_cert", "%DOWNSTREAM_PEER_CERT%"),
    ("peer_from", "%DOWNSTREAM_PEER_CERT_V_START%"),
    ("peer_until", "%DOWNSTREAM_PEER_CERT_V_END(%Y-%m-%d)%"),
    ("local_uris", "%DOWNSTREAM_LOCAL_URI_SAN%"),
    ("local_dns", "%DOWNSTREAM_LOCAL_DNS_SAN%"),
    ("local_ip", "%DOWNSTREAM_LOCAL_IP_SAN%"),
    ("local_email", "%DOWNSTREAM_LOCAL_EMAIL_SAN%"),
    ("local_subject", "%DOWNSTREAM_LOCAL_SUBJECT%"),
    ("asked", "%REQUESTED_SERVER_NAME%"),
    ("asked_host", "%REQUESTED_SERVER_NAME(HOST_FIRST)%"),
    ("up_version", "%UPSTREAM_TLS_VERSION%"),
    ("any_up_cipher", "%UPSTREAM_TLS_CIPHER%"),
    ("any_up_group", "%UPSTREAM_TLS_GROUP%"),
    ("up_name", "%UPSTREAM_SERVER_NAME%"),
    ("up_uris", "%UPSTREAM_PEER_URI_SAN%"),
    ("up_dns", "%UPSTREAM_PEER_DNS_SAN%"),
    ("up_ip", "%UPSTREAM_PEER_IP_SAN%"),
    ("up_subject", "%UPSTREAM_PEER_SUBJECT%"),
    ("up_issuer", "%UPSTREAM_PEER_ISSUER%"),
    ("up_cert", "%UPSTREAM_PEER_CERT%"),
    ("up_from", "%UPSTREAM_PEER_CERT_V_START(%b %e %H:%M:%S %Y)%"),
    ("up_until", "%UPSTREAM_PEER_CERT_V_END%"),
];

/// The transport socket of mutual TLS with these TLS parameters.
fn parameters(fields: &Value) -> Value {
    let mut socket = Way::MutualTls.transport_socket().unwrap_or_default();
    socket["typed_config"]["common_tls_context"]["tls_params"] = fields.clone();
    socket
}

/// The endpoint is the same proxy: a listener that terminates TLS and answers by itself.
pub fn rows() -> Vec<Row> {
    vec![
        row("operators of TLS without a certificate")
            .way(Way::Tls)
            .log(operators(OPERATORS))
            .get("/", &[])
            .shows("log[0].version", "TLSv1.3"),
        row("operators of mutual TLS")
            .way(Way::MutualTls)
            .log(operators(OPERATORS))
            .get("/", &[])
            .shows("log[0].peer_dns", "client.example,other.client.example"),
        row("operators of mutual TLS in the version before")
            .way(Way::MutualTls)
            .transport(parameters(
                &json!({"tls_maximum_protocol_version": "TLSv1_2"}),
            ))
            .log(operators(OPERATORS))
            .get("/", &[])
            .note(
                "log[0].cipher",
                "the order of suites is the client's unless told",
            )
            .shows("log[0].version", "TLSv1.2"),
        row("operators of mutual TLS with a group of choice")
            .way(Way::MutualTls)
            .transport(parameters(&json!({"ecdh_curves": ["P-256"]})))
            .log(operators(OPERATORS))
            .get("/", &[])
            .shows("log[0].group", "P-256"),
        row("operators of TLS towards the endpoint")
            .log(operators(OPERATORS))
            .tls_endpoint()
            .cluster(tls_cluster())
            .get("/", &[])
            .shows("log[0].up_version", "TLSv1.3")
            .shows("log[0].up_name", "inner.example"),
        row("operators of TLS where there is none")
            .log(operators(OPERATORS))
            .get("/", &[])
            .shows("log[0].version", "null"),
    ]
}
