//! `x-forwarded-client-cert`: what the endpoint is told about the client's certificate.

use std::fmt::Write as _;

use ferromesh_http::Headers;
use ferromesh_tls::PeerCertificate;

use crate::compiled::{ClientCertDetails, ForwardClientCert, HttpManager};
use crate::listener::Connection;

const NAME: &str = "x-forwarded-client-cert";

/// Applies the manager's mode.
pub(super) fn apply(manager: &HttpManager, connection: &Connection, headers: &mut Headers) {
    let mode = manager.forward_client_cert;
    if mode == ForwardClientCert::AlwaysForwardOnly {
        return;
    }
    let peer = connection.peer_certificate();
    let (Some(peer), false) = (peer, mode == ForwardClientCert::Sanitize) else {
        headers.remove(NAME);
        return;
    };
    if mode == ForwardClientCert::ForwardOnly {
        return;
    }
    let local = connection
        .tls
        .as_ref()
        .and_then(|tls| tls.local_uri.as_deref());
    let entry = entry(manager.client_cert_details, peer, local);
    let value = match headers.joined(NAME) {
        Some(present) if mode == ForwardClientCert::AppendForward => format!("{present},{entry}"),
        _ => entry,
    };
    headers.set(NAME, value);
}

/// Our entry, its fields in Envoy's order.
fn entry(details: ClientCertDetails, peer: &PeerCertificate, local: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(local) = local {
        put(&mut text, "By", local);
    }
    put(&mut text, "Hash", &peer.sha256());
    if details.cert {
        let leaf: String = peer.chain().take(1).map(pem).collect();
        put(
            &mut text,
            "Cert",
            &format!("\"{}\"", percent_encoded(&leaf)),
        );
    }
    if details.chain {
        let chain: String = peer.chain().map(pem).collect();
        put(
            &mut text,
            "Chain",
            &format!("\"{}\"", percent_encoded(&chain)),
        );
    }
    if details.subject {
        let subject = peer.subject().replace('\\', "\\\\").replace('"', "\\\"");
        put(&mut text, "Subject", &format!("\"{subject}\""));
    }
    if details.uri {
        for uri in peer.uris() {
            put(&mut text, "URI", uri);
        }
    }
    if details.dns {
        for name in peer.dns_names() {
            put(&mut text, "DNS", name);
        }
    }
    text
}

fn put(text: &mut String, key: &str, value: &str) {
    let separator = if text.is_empty() { "" } else { ";" };
    // Writing into a String cannot fail.
    let _ = write!(text, "{separator}{key}={value}");
}

fn pem(der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(der.len() * 4 / 3 + 4);
    for group in der.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let symbol = ALPHABET[((bits >> (18 - 6 * place)) & 63) as usize];
            encoded.push(if place <= group.len() {
                symbol as char
            } else {
                '='
            });
        }
    }
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_is_base64_with_padding() {
        assert!(pem(b"M").contains("\nTQ==\n"));
        assert!(pem(b"Ma").contains("\nTWE=\n"));
        assert!(pem(b"Man").contains("\nTWFu\n"));
    }
}
