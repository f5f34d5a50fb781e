//! The rules of VirtualService beyond its types.

use super::http_check::http_route;
use super::{
    Destination, L4MatchAttributes, RouteDestination, TcpRoute, TlsMatchAttributes, TlsRoute,
    VirtualService,
};
use crate::check::{Findings, address, name, scope};
use crate::parse::Body;
use crate::problem::Code;

impl Body for VirtualService {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        // Without hosts it is a delegate: its routes are used by another object.
        let delegate = self.hosts.is_empty();
        if delegate {
            self.check_delegate(findings);
        } else {
            self.check_hosts(findings);
        }
        scope::gateway_names(findings, &self.gateways);
        scope::export_to(findings, &self.export_to);
        if self.http.is_empty() && self.tcp.is_empty() && self.tls.is_empty() {
            findings.error("Invalid value: http, tcp or tls must be provided in virtual service");
        }
        findings.each("http", &self.http, |findings, route| {
            http_route(findings, route, delegate);
        });
        findings.each("tls", &self.tls, |findings, route| {
            tls_route(findings, route, &self.hosts);
        });
        findings.each("tcp", &self.tcp, tcp_route);
        self.warn_of_unreachable_routes(findings);
    }
}

impl VirtualService {
    fn check_delegate(&self, findings: &mut Findings<'_>) {
        if !self.gateways.is_empty() {
            findings.error_at(
                "gateways",
                "Invalid value: a delegate virtual service has no gateways",
            );
        }
        if self.http.is_empty() || !self.tcp.is_empty() || !self.tls.is_empty() {
            findings.error_at(
                "hosts",
                "Required value: virtual service must have at least one host \
                 (only delegates, which have http routes alone, go without)",
            );
        }
    }

    fn check_hosts(&self, findings: &mut Findings<'_>) {
        let for_sidecars =
            self.gateways.is_empty() || self.gateways.iter().any(|gateway| gateway == "mesh");
        for (index, host) in self.hosts.iter().enumerate() {
            let field = format!("hosts[{index}]");
            if self.hosts[..index].contains(host) {
                findings.error_at(&field, format!("Duplicate value: \"{host}\""));
            }
            if host.as_str() == "*" && for_sidecars {
                findings.error_at(
                    &field,
                    "Invalid value: \"*\": wildcard host * is not allowed for virtual services \
                     bound to the mesh gateway",
                );
            } else if address::ip(host.as_str()).is_err() {
                findings.rule(&field, name::host(host.as_str()));
            }
        }
    }

    /// Routes behind one that takes everything.
    fn warn_of_unreachable_routes(&self, findings: &mut Findings<'_>) {
        let catch_all = self.http.iter().position(|route| route.r#match.is_empty());
        if let Some(at) = catch_all
            && at + 1 < self.http.len()
        {
            findings.warn_at(
                &format!("http[{}]", at + 1),
                Code::Suspicious,
                format!("never reached: http[{at}] before it matches every request"),
            );
        }
    }
}

/// The rules of a destination.
pub(super) fn destination(findings: &mut Findings<'_>, destination: &Destination) {
    let host = destination.host.as_str();
    if host.is_empty() {
        findings.required("host", false);
    } else if host == "*" {
        findings.error_at("host", "Invalid value: \"*\": invalid destination host *");
    } else {
        findings.rule("host", name::host(host));
    }
    if !destination.subset.is_empty() {
        findings.rule("subset", name::label_value(&destination.subset));
    }
    findings.some("port", destination.port.as_ref(), |findings, port| {
        findings.rule("number", address::port(port.number));
    });
}

/// Shares: with several destinations at least one must have one.
pub(super) fn weights(findings: &mut Findings<'_>, weights: impl ExactSizeIterator<Item = u32>) {
    let several = weights.len() > 1;
    let mut sum: u64 = 0;
    for weight in weights {
        sum += u64::from(weight);
    }
    if several && sum == 0 {
        findings.error_at("route", "Invalid value: total destination weight = 0");
    }
    if sum > u64::from(u32::MAX) {
        findings.error_at(
            "route",
            "Invalid value: the sum of the weights exceeds 4294967295",
        );
    }
}

fn tls_route(findings: &mut Findings<'_>, route: &TlsRoute, hosts: &[ferromesh_types::Hostname]) {
    if route.r#match.is_empty() {
        findings.error_at(
            "match",
            "Required value: TLS route must have at least one match condition",
        );
    }
    findings.each("match", &route.r#match, |findings, condition| {
        tls_match(findings, condition, hosts);
    });
    l4_destinations(findings, &route.route, "TLS");
}

fn tls_match(
    findings: &mut Findings<'_>,
    condition: &TlsMatchAttributes,
    hosts: &[ferromesh_types::Hostname],
) {
    if condition.sni_hosts.is_empty() {
        findings.error_at(
            "sniHosts",
            "Required value: TLS match must have at least one SNI host",
        );
    }
    for (index, sni) in condition.sni_hosts.iter().enumerate() {
        let field = format!("sniHosts[{index}]");
        findings.rule(&field, name::host(sni.as_str()));
        if !hosts.is_empty() && !hosts.iter().any(|host| sni.is_covered_by(host)) {
            findings.error_at(
                &field,
                format!(
                    "Invalid value: \"{sni}\": SNI host is not one of the virtual service's hosts"
                ),
            );
        }
    }
    subnets(findings, &condition.destination_subnets);
    port(findings, condition.port);
    scope::labels(findings, "sourceLabels", &condition.source_labels);
    scope::gateway_names(findings, &condition.gateways);
}

fn tcp_route(findings: &mut Findings<'_>, route: &TcpRoute) {
    findings.each(
        "match",
        &route.r#match,
        |findings, condition: &L4MatchAttributes| {
            subnets(findings, &condition.destination_subnets);
            if !condition.source_subnet.is_empty() {
                findings.rule(
                    "sourceSubnet",
                    address::ip_or_cidr(&condition.source_subnet),
                );
            }
            port(findings, condition.port);
            scope::labels(findings, "sourceLabels", &condition.source_labels);
            scope::gateway_names(findings, &condition.gateways);
        },
    );
    l4_destinations(findings, &route.route, "TCP");
}

fn l4_destinations(findings: &mut Findings<'_>, routes: &[RouteDestination], protocol: &str) {
    if routes.is_empty() {
        findings.error_at(
            "route",
            format!("Required value: {protocol} route is required"),
        );
    }
    findings.each("route", routes, |findings, route| {
        findings.field("destination", |findings| {
            destination(findings, &route.destination);
        });
    });
    weights(findings, routes.iter().map(|route| route.weight));
}

fn subnets(findings: &mut Findings<'_>, subnets: &[ferromesh_types::Str]) {
    for (index, subnet) in subnets.iter().enumerate() {
        findings.rule(
            &format!("destinationSubnets[{index}]"),
            address::ip_or_cidr(subnet),
        );
    }
}

/// A port that may be left out.
pub(super) fn port(findings: &mut Findings<'_>, port: Option<u16>) {
    if let Some(port) = port {
        findings.rule("port", address::port(port));
    }
}
