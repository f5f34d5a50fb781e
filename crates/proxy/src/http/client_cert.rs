//! `x-forwarded-client-cert`: what the endpoint is told about the client's certificate.

use std::fmt::Write as _;

use ferromesh_http::Headers;
use ferromesh_tls::PeerCertificate;

use crate::certificate;
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
    let local = connection.tls.as_ref();
    let local = local.and_then(|tls| tls.session.local.as_ref()?.uris().next());
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
        let leaf = certificate::encoded(peer.chain().take(1));
        put(&mut text, "Cert", &format!("\"{leaf}\""));
    }
    if details.chain {
        let chain = certificate::encoded(peer.chain());
        put(&mut text, "Chain", &format!("\"{chain}\""));
    }
    if details.subject {
        // Its special characters are escaped already (RFC 2253 section 2.4), quotes too.
        put(&mut text, "Subject", &format!("\"{}\"", peer.subject()));
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
