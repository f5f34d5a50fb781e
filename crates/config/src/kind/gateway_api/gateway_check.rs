//! The rules of Gateways beyond their types.

use super::reference_check::{hostname, object};
use super::{
    AddressType, AllowedRoutes, From, Gateway, GatewayAddress, Listener, ListenerTls,
    ListenerTlsMode,
};
use crate::check::{Findings, address, name};
use crate::parse::Body;
use crate::problem::Code;

/// Protocols that listeners are served for.
const SERVED: [&str; 4] = ["HTTP", "HTTPS", "TLS", "TCP"];

impl Body for Gateway {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        findings.required("gatewayClassName", !self.gateway_class_name.is_empty());
        findings.required("listeners", !self.listeners.is_empty());
        findings.max_items("listeners", self.listeners.len(), 64);
        findings.each("listeners", &self.listeners, listener);
        for (index, listener) in self.listeners.iter().enumerate() {
            distinct(findings, &self.listeners[..index], index, listener);
        }
        findings.max_items("addresses", self.addresses.len(), 16);
        findings.each("addresses", &self.addresses, gateway_address);
        self.tls_rules(findings);
        self.without_pods(findings);
    }
}

impl Gateway {
    fn tls_rules(&self, findings: &mut Findings<'_>) {
        let frontend = self.tls.as_ref().and_then(|tls| tls.frontend.as_ref());
        let Some(frontend) = frontend else { return };
        findings.field("tls", |findings| {
            findings.field("frontend", |findings| {
                findings.required("default", findings.is_written("default"));
                findings.each("perPort", &frontend.per_port, |findings, port| {
                    findings.rule("port", address::port(port.port));
                });
                let validation = frontend.default.validation.as_ref();
                findings.field("default", |findings| {
                    findings.some("validation", validation, |findings, validation| {
                        let refs = &validation.ca_certificate_refs;
                        findings.required("caCertificateRefs", !refs.is_empty());
                        findings.each("caCertificateRefs", refs, object);
                    });
                });
            });
        });
    }

    /// Says who serves a Gateway that names no Service.
    fn without_pods(&self, findings: &mut Findings<'_>) {
        let has_service = |address: &GatewayAddress| address.r#type == AddressType::Hostname;
        if !self.addresses.iter().any(has_service) {
            findings.warn_at(
                "addresses",
                Code::NoEffect,
                "no pods are made for a Gateway in this version; it is served by the pods of its \
                 namespace with the label gateway.networking.k8s.io/gateway-name, or by those of a \
                 Service that addresses names with type Hostname",
            );
        }
    }
}

fn listener(findings: &mut Findings<'_>, listener: &Listener) {
    findings.required("name", !listener.name.is_empty());
    if !listener.name.is_empty() {
        findings.rule("name", name::object_name(&listener.name));
    }
    findings.rule("port", address::port(listener.port));
    findings.required("protocol", !listener.protocol.is_empty());
    if !listener.protocol.is_empty() && !SERVED.contains(&listener.protocol.as_str()) {
        findings.warn_at(
            "protocol",
            Code::NoEffect,
            format!("only {} are served in this version", SERVED.join(", ")),
        );
    }
    if !listener.hostname.is_empty() {
        findings.rule("hostname", hostname(&listener.hostname));
        if matches!(listener.protocol.as_str(), "TCP" | "UDP") {
            findings.error_at(
                "hostname",
                "Invalid value: hostname must not be specified for protocols ['TCP', 'UDP']",
            );
        }
    }
    protocol_and_tls(findings, listener);
    allowed_routes(findings, &listener.allowed_routes);
}

fn protocol_and_tls(findings: &mut Findings<'_>, listener: &Listener) {
    let mode = listener.tls.as_ref().map(|tls| tls.mode);
    match (listener.protocol.as_str(), mode) {
        ("HTTP" | "TCP" | "UDP", Some(_)) => findings.error_at(
            "tls",
            "Invalid value: tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']",
        ),
        ("HTTPS", Some(ListenerTlsMode::Passthrough)) => findings.error_at(
            "tls.mode",
            "Invalid value: tls mode must be Terminate for protocol HTTPS",
        ),
        ("TLS", None) => findings.error_at(
            "tls",
            "Required value: tls mode must be set for protocol TLS",
        ),
        _ => {}
    }
    findings.some("tls", listener.tls.as_ref(), listener_tls);
}

fn listener_tls(findings: &mut Findings<'_>, tls: &ListenerTls) {
    let ends = tls.mode == ListenerTlsMode::Terminate;
    if ends && tls.certificate_refs.is_empty() && tls.options.is_empty() {
        findings.error(
            "Invalid value: certificateRefs or options must be specified when mode is Terminate",
        );
    }
    findings.max_items("certificateRefs", tls.certificate_refs.len(), 64);
    findings.each("certificateRefs", &tls.certificate_refs, object);
}

/// The rules of the routes that may be attached.
fn allowed_routes(findings: &mut Findings<'_>, allowed: &AllowedRoutes) {
    findings.field("allowedRoutes", |findings| {
        findings.max_items("kinds", allowed.kinds.len(), 8);
        findings.each("kinds", &allowed.kinds, |findings, kind| {
            findings.required("kind", !kind.kind.is_empty());
        });
        let namespaces = &allowed.namespaces;
        findings.field("namespaces", |findings| {
            let selects = namespaces.from == From::Selector;
            findings.required("selector", !selects || namespaces.selector.is_some());
            findings.some(
                "selector",
                namespaces.selector.as_ref(),
                |findings, value| {
                    crate::check::scope::labels(findings, "matchLabels", &value.match_labels);
                    findings.each(
                        "matchExpressions",
                        &value.match_expressions,
                        |findings, item| {
                            findings.rule("key", name::label_key(&item.key));
                            findings.required("operator", findings.is_written("operator"));
                        },
                    );
                },
            );
        });
    });
}

/// A connection or request must belong to one listener.
fn distinct(findings: &mut Findings<'_>, before: &[Listener], index: usize, listener: &Listener) {
    if before.iter().any(|other| other.name == listener.name) {
        findings.error_at(
            &format!("listeners[{index}].name"),
            "Invalid value: Listener name must be unique within the Gateway",
        );
    }
    let same = |other: &Listener| {
        (other.port, &other.protocol, &other.hostname)
            == (listener.port, &listener.protocol, &listener.hostname)
    };
    if before.iter().any(same) {
        findings.error_at(
            &format!("listeners[{index}]"),
            "Invalid value: Combination of port, protocol and hostname must be unique for each \
             listener",
        );
    }
}

fn gateway_address(findings: &mut Findings<'_>, value: &GatewayAddress) {
    match value.r#type {
        _ if value.value.is_empty() => {}
        AddressType::IpAddress => findings.rule("value", address::ip(&value.value)),
        AddressType::Hostname => findings.rule("value", name::exact_host(&value.value)),
    }
}
