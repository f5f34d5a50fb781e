//! The rules of Gateway beyond its types.

use ferromesh_types::{Protocol, Str};

use super::{Gateway, Server, ServerPort, ServerTlsMode, ServerTlsSettings};
use crate::check::{Findings, address, format, name, scope};
use crate::parse::Body;
use crate::problem::Code;

/// Protocols of ports, as the API names them.
const PROTOCOLS: [&str; 12] = [
    "HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "TCP", "TLS", "REDIS", "MYSQL", "UDP",
    "HBONE",
];

impl Body for Gateway {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        if self.servers.is_empty() {
            findings.required("servers", false);
        }
        scope::labels(findings, "selector", &self.selector);
        if self.selector.is_empty() {
            findings.warn_at(
                "selector",
                Code::Suspicious,
                "without labels the Gateway is for every workload of the mesh",
            );
        }
        findings.each("servers", &self.servers, server);
        for (index, server) in self.servers.iter().enumerate() {
            let twice = |other: &Server| !server.name.is_empty() && other.name == server.name;
            if self.servers[..index].iter().any(twice) {
                findings.error_at(
                    &format!("servers[{index}].name"),
                    format!("Duplicate value: \"{}\"", server.name),
                );
            }
            let Some(port) = &server.port else { continue };
            let mut before = self.servers[..index].iter().flat_map(|other| &other.port);
            if !port.name.is_empty() && before.any(|other| other.name == port.name) {
                findings.error_at(
                    &format!("servers[{index}].port.name"),
                    format!(
                        "Duplicate value: \"{}\": port names in servers must be unique",
                        port.name
                    ),
                );
            }
        }
    }
}

fn server(findings: &mut Findings<'_>, server: &Server) {
    match &server.port {
        None => findings.required("port", false),
        Some(port) => findings.field("port", |findings| {
            server_port(findings, port, server.bind.starts_with("unix://"));
        }),
    }
    if !server.bind.is_empty() {
        let verdict = address::ip(&server.bind).or_else(|error| {
            if server.bind.starts_with("unix://") {
                address::unix_socket(&server.bind)
            } else {
                Err(error)
            }
        });
        findings.rule("bind", verdict);
        unix_bind(findings, &server.bind);
    }
    if server.hosts.is_empty() {
        findings.required("hosts", false);
    }
    for (index, host) in server.hosts.iter().enumerate() {
        findings.rule(&format!("hosts[{index}]"), namespaced_host(host));
    }
    let protocol = server
        .port
        .as_ref()
        .map_or(Protocol::Auto, ServerPort::protocol);
    let over_tls = matches!(protocol, Protocol::Https | Protocol::Tls);
    match &server.tls {
        None if over_tls => findings.error_at(
            "tls",
            "Required value: server must have TLS settings for HTTPS/TLS protocols",
        ),
        None => {}
        Some(tls) => findings.field("tls", |findings| {
            if !over_tls && tls.mode != ServerTlsMode::Passthrough {
                findings.error(
                    "Invalid value: server cannot have TLS settings for non HTTPS/TLS ports",
                );
            }
            if tls.https_redirect && protocol != Protocol::Http {
                findings.error_at(
                    "httpsRedirect",
                    "Invalid value: tls.httpsRedirect should only be used with http servers",
                );
            }
            server_tls(findings, tls, over_tls);
        }),
    }
}

/// `host` or `namespace/host`, where the namespace may be `.` or `*`.
pub(crate) fn namespaced_host(text: &str) -> Result<(), String> {
    let Some((namespace, host)) = text.split_once('/') else {
        return name::host(text);
    };
    if !matches!(namespace, "." | "*" | "~") {
        name::dns_label(namespace)?;
    }
    name::host(host)
}

/// Says who listens on a Unix socket, where one is written.
pub(crate) fn unix_bind(findings: &mut Findings<'_>, bind: &str) {
    if bind.starts_with("unix://") {
        findings.warn_at(
            "bind",
            Code::NoEffect,
            "only a stock Envoy listens on a Unix socket; this version's own proxy leaves it out",
        );
    }
}

/// The rules of a port with its protocol. A Unix socket has the number 0.
fn server_port(findings: &mut Findings<'_>, port: &ServerPort, on_socket: bool) {
    if !on_socket {
        findings.rule("number", address::port(port.number));
    } else if port.number != 0 {
        findings.error_at(
            "number",
            format!(
                "Invalid value: {}: port number must be 0 for unix domain socket",
                port.number
            ),
        );
    }
    findings.required("name", !port.name.is_empty());
    if port.protocol.is_empty() {
        findings.required("protocol", false);
    } else {
        findings.rule("protocol", protocol(&port.protocol));
    }
    if let Some(target) = port.target_port {
        findings.rule("targetPort", address::port(target));
        findings.warn_at("targetPort", Code::NoEffect, "has no effect here");
    }
}

/// The name of a protocol, in any case.
pub(crate) fn protocol(text: &str) -> Result<(), String> {
    if PROTOCOLS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(text))
    {
        return Ok(());
    }
    let known = PROTOCOLS.map(|name| format!("\"{name}\"")).join(", ");
    Err(format!(
        "Unsupported value: \"{text}\": supported values: {known}"
    ))
}

/// The rules of TLS settings. `terminates`: the port speaks TLS at all.
pub(crate) fn server_tls(findings: &mut Findings<'_>, tls: &ServerTlsSettings, terminates: bool) {
    let (opens, verifies) = match tls.mode {
        ServerTlsMode::Simple => (true, false),
        ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual => (true, true),
        _ => (false, false),
    };
    if opens && terminates {
        credentials(findings, tls, verifies);
    }
    if tls.mode == ServerTlsMode::IstioMutual {
        for (field, value) in [
            ("serverCertificate", &tls.server_certificate),
            ("privateKey", &tls.private_key),
            ("caCertificates", &tls.ca_certificates),
            ("credentialName", &tls.credential_name),
        ] {
            if !value.is_empty() {
                findings.error_at(field, "Invalid value: must not be set with ISTIO_MUTUAL");
            }
        }
    }
    let (least, most) = (tls.min_protocol_version, tls.max_protocol_version);
    if most != super::TlsProtocol::Auto && most < least {
        findings.error_at(
            "maxProtocolVersion",
            "Invalid value: less than minProtocolVersion",
        );
    }
    if matches!(most, super::TlsProtocol::V1_0 | super::TlsProtocol::V1_1) {
        findings.warn_at(
            "maxProtocolVersion",
            Code::NoEffect,
            "only a stock Envoy speaks TLS 1.0 and 1.1; this version's own proxy serves nobody here",
        );
    }
    for (index, suite) in tls.cipher_suites.iter().enumerate() {
        if !super::CIPHER_SUITES.contains(&suite.as_str()) {
            findings.warn_at(
                &format!("cipherSuites[{index}]"),
                Code::Suspicious,
                format!("{suite} is no cipher suite of TLS 1.2 that can be chosen; it is left out"),
            );
        }
    }
    for (index, hash) in tls.verify_certificate_spki.iter().enumerate() {
        let field = format!("verifyCertificateSpki[{index}]");
        findings.rule(&field, format::base64_hash(hash));
    }
    for (index, hash) in tls.verify_certificate_hash.iter().enumerate() {
        let field = format!("verifyCertificateHash[{index}]");
        findings.rule(&field, format::hexadecimal_hash(hash));
    }
    findings.no_empty_texts("subjectAltNames", &tls.subject_alt_names);
    duplicates(findings, "cipherSuites", &tls.cipher_suites);
}

/// Where the certificates come from: a Secret, several Secrets, files, or pairs of files.
fn credentials(findings: &mut Findings<'_>, tls: &ServerTlsSettings, verifies: bool) {
    let secrets = usize::from(!tls.credential_name.is_empty());
    let files = !tls.server_certificate.is_empty() || !tls.private_key.is_empty();
    let ways = secrets
        + usize::from(!tls.credential_names.is_empty())
        + usize::from(files)
        + usize::from(!tls.tls_certificates.is_empty());
    if ways > 1 {
        findings.error(
            "Invalid value: only one of credentialName, credentialNames, \
             serverCertificate/privateKey or tlsCertificates should be specified",
        );
    }
    if ways == 0 {
        findings.error_at(
            "credentialName",
            "Required value: a certificate, by credentialName or serverCertificate and privateKey",
        );
    }
    if files {
        findings.required("serverCertificate", !tls.server_certificate.is_empty());
        findings.required("privateKey", !tls.private_key.is_empty());
    }
    if verifies && files && tls.ca_certificates.is_empty() {
        findings.error_at(
            "caCertificates",
            "Required value: with MUTUAL, to verify clients",
        );
    }
    if tls.credential_names.len() > 2 {
        findings.error_at(
            "credentialNames",
            "Too many: at most 2 certificates are supported",
        );
    }
    if tls.tls_certificates.len() > 2 {
        findings.error_at(
            "tlsCertificates",
            "Too many: at most 2 certificates are supported",
        );
    }
    findings.each(
        "tlsCertificates",
        &tls.tls_certificates,
        |findings, pair| {
            findings.required("serverCertificate", !pair.server_certificate.is_empty());
            findings.required("privateKey", !pair.private_key.is_empty());
        },
    );
}

fn duplicates(findings: &mut Findings<'_>, field: &str, values: &[Str]) {
    for (index, value) in values.iter().enumerate() {
        if values[..index].contains(value) {
            findings.error_at(
                &format!("{field}[{index}]"),
                format!("Duplicate value: \"{value}\""),
            );
        }
    }
}
