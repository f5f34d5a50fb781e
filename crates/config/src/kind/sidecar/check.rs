//! The rules of Sidecar beyond its types.

use ferromesh_types::Protocol;

use super::{CaptureMode, EgressListener, IngressListener, OutboundTrafficMode, Sidecar};
use crate::check::{Findings, address, name, scope};
use crate::kind::destination_rule::check::connection_pool;
use crate::kind::gateway::check::{namespaced_host, protocol, server_tls, unix_bind};
use crate::kind::gateway::{ServerPort, ServerTlsMode};
use crate::parse::Body;

impl Body for Sidecar {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        scope::workload_selector(findings, self.workload_selector.as_ref());
        findings.each("ingress", &self.ingress, ingress);
        findings.each("egress", &self.egress, egress);
        let open = self
            .egress
            .iter()
            .position(|listener| listener.port.is_none());
        if let Some(index) = open
            && index + 1 < self.egress.len()
        {
            findings.error_at(
                &format!("egress[{index}]"),
                "Invalid value: sidecar: only the last egress listener can be without a port",
            );
        }
        duplicate_ports(
            findings,
            "ingress",
            self.ingress.iter().map(|l| (&l.port, &l.bind)),
        );
        duplicate_ports(
            findings,
            "egress",
            self.egress.iter().map(|l| (&l.port, &l.bind)),
        );
        findings.some(
            "inboundConnectionPool",
            self.inbound_connection_pool.as_ref(),
            connection_pool,
        );
        findings.some(
            "outboundTrafficPolicy",
            self.outbound_traffic_policy.as_ref(),
            |findings, policy| {
                let Some(proxy) = &policy.egress_proxy else {
                    return;
                };
                if policy.mode != OutboundTrafficMode::AllowAny {
                    findings.error_at(
                        "egressProxy",
                        "Invalid value: may only be set with ALLOW_ANY",
                    );
                }
                findings.field("egressProxy", |findings| {
                    findings.rule("host", name::exact_host(proxy.host.as_str()));
                    findings.required("port", proxy.port.is_some());
                });
            },
        );
    }
}

fn duplicate_ports<'a>(
    findings: &mut Findings<'_>,
    field: &str,
    listeners: impl Iterator<Item = (&'a Option<ServerPort>, &'a ferromesh_types::Str)>,
) {
    let mut before = Vec::new();
    for (index, (port, bind)) in listeners.enumerate() {
        let Some(port) = port else { continue };
        let key = (bind.as_str(), port.number);
        // A socket in the file system has no port.
        if port.number != 0 && before.contains(&key) {
            findings.error_at(
                &format!("{field}[{index}].port.number"),
                format!(
                    "Duplicate value: {}: ports on {field} listeners must be unique",
                    port.number
                ),
            );
        }
        before.push(key);
    }
}

fn ingress(findings: &mut Findings<'_>, listener: &IngressListener) {
    match &listener.port {
        None => findings.required("port", false),
        Some(port) => findings.field("port", |findings| listener_port(findings, port)),
    }
    if listener.bind.starts_with("unix://") {
        findings.error_at(
            "bind",
            "Invalid value: an ingress listener cannot bind a socket file",
        );
    } else if !listener.bind.is_empty() {
        findings.rule("bind", address::ip(&listener.bind));
    }
    findings.rule(
        "defaultEndpoint",
        default_endpoint(&listener.default_endpoint),
    );
    findings.some("tls", listener.tls.as_ref(), |findings, tls| {
        let protocol = listener
            .port
            .as_ref()
            .map_or(Protocol::Auto, ServerPort::protocol);
        if !matches!(protocol, Protocol::Https | Protocol::Tls) {
            findings
                .error("Invalid value: server cannot have TLS settings for non HTTPS/TLS ports");
        }
        if !matches!(
            tls.mode,
            ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual
        ) {
            findings.error_at(
                "mode",
                "Invalid value: sidecar: only SIMPLE and MUTUAL are supported",
            );
        }
        server_tls(findings, tls, true);
    });
    findings.some(
        "connectionPool",
        listener.connection_pool.as_ref(),
        connection_pool,
    );
}

/// A port with its protocol, which may be left out: the proxy then looks for itself.
fn listener_port(findings: &mut Findings<'_>, port: &ServerPort) {
    findings.rule("number", address::port(port.number));
    if !port.protocol.is_empty() {
        findings.rule("protocol", protocol(&port.protocol));
    }
}

/// `127.0.0.1:PORT`, `0.0.0.0:PORT`, `[::1]:PORT`, `[::]:PORT`, `unix:///path`, or nothing.
fn default_endpoint(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    if text.starts_with("unix://") {
        return address::unix_socket(text);
    }
    let allowed = ["127.0.0.1", "0.0.0.0", "[::1]", "[::]"];
    match text.rsplit_once(':') {
        Some((host, port)) if allowed.contains(&host) => match port.parse::<u16>() {
            Ok(number) => address::port(number),
            Err(_) => Err(format!(
                "Invalid value: \"{text}\": port must be between 1-65535"
            )),
        },
        _ => Err(format!(
            "Invalid value: \"{text}\": must be of form 127.0.0.1:<port>, 0.0.0.0:<port>, \
             [::1]:<port>, [::]:<port>, unix://filepath, or unset"
        )),
    }
}

fn egress(findings: &mut Findings<'_>, listener: &EgressListener) {
    if let Some(port) = &listener.port {
        findings.field("port", |findings| {
            if !listener.bind.starts_with("unix://") {
                listener_port(findings, port);
            }
        });
    }
    if listener.bind.starts_with("unix://") {
        findings.rule("bind", address::unix_socket(&listener.bind));
        unix_bind(findings, &listener.bind);
        if !matches!(
            listener.capture_mode,
            CaptureMode::Default | CaptureMode::None
        ) {
            findings.error_at(
                "captureMode",
                "Invalid value: captureMode must be DEFAULT/NONE for unix domain socket listeners",
            );
        }
    } else if !listener.bind.is_empty() {
        findings.rule("bind", address::ip(&listener.bind));
    }
    if listener.hosts.is_empty() {
        findings.required("hosts", false);
    }
    for (index, host) in listener.hosts.iter().enumerate() {
        let verdict = if host.contains('/') {
            namespaced_host(host)
        } else {
            Err(format!(
                "Invalid value: \"{host}\": must be of form namespace/dnsName"
            ))
        };
        findings.rule(&format!("hosts[{index}]"), verdict);
    }
}
