//! The rules of ServiceEntry beyond its types.

use ferromesh_types::Hostname;

use super::{Location, Resolution, ServiceEntry, ServicePort};
use crate::check::{Findings, address, name, scope};
use crate::kind::gateway::check::protocol;
use crate::kind::workload_entry::{self, Address};
use crate::parse::Body;
use crate::problem::Code;

impl Body for ServiceEntry {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        self.check_hosts(findings);
        self.check_addresses(findings);
        self.check_ports(findings);
        findings.each("endpoints", &self.endpoints, |findings, endpoint| {
            workload_entry::check(findings, endpoint, Address::Needed);
        });
        if self.workload_selector.is_some() && !self.endpoints.is_empty() {
            findings.error(
                "Invalid value: \"object\": only one of WorkloadSelector or Endpoints can be set",
            );
        }
        scope::workload_selector(findings, self.workload_selector.as_ref());
        self.check_resolution(findings);
        scope::export_to(findings, &self.export_to);
        findings.no_empty_texts("subjectAltNames", &self.subject_alt_names);
    }
}

impl ServiceEntry {
    fn check_hosts(&self, findings: &mut Findings<'_>) {
        if self.hosts.is_empty() {
            findings.required("hosts", false);
        }
        findings.max_items("hosts", self.hosts.len(), 256);
        for (index, host) in self.hosts.iter().enumerate() {
            let field = format!("hosts[{index}]");
            if host.as_str() == "*" {
                findings.error_at(
                    &field,
                    "Invalid value: \"string\": hostname cannot be wildcard",
                );
            } else {
                findings.rule(&field, name::host(host.as_str()));
            }
        }
    }

    fn check_addresses(&self, findings: &mut Findings<'_>) {
        findings.max_items("addresses", self.addresses.len(), 256);
        for (index, address) in self.addresses.iter().enumerate() {
            findings.rule(&format!("addresses[{index}]"), address::ip_or_cidr(address));
        }
        let blocks = self
            .addresses
            .iter()
            .any(|address| address::is_cidr(address));
        if blocks && !matches!(self.resolution, Resolution::None | Resolution::Static) {
            findings.error(
                "Invalid value: \"object\": CIDR addresses are allowed only for NONE/STATIC \
                 resolution types",
            );
        }
    }

    fn check_ports(&self, findings: &mut Findings<'_>) {
        findings.max_items("ports", self.ports.len(), 256);
        findings.each("ports", &self.ports, service_port);
        for (index, port) in self.ports.iter().enumerate() {
            let before = &self.ports[..index];
            if before.iter().any(|other| other.name == port.name) {
                let message = format!("Duplicate value: {{\"name\":\"{}\"}}", port.name);
                findings.error_at(&format!("ports[{index}]"), message);
            }
            if before.iter().any(|other| other.number == port.number) {
                findings.error_at(
                    "ports",
                    format!(
                        "Invalid value: \"array\": port number cannot be duplicated, as {} is",
                        port.number
                    ),
                );
            }
        }
    }

    fn check_resolution(&self, findings: &mut Findings<'_>) {
        let wildcard = self.hosts.iter().any(Hostname::is_wildcard);
        let by_address = self.endpoints.iter().position(|endpoint| {
            !endpoint.address.is_empty()
                && address::ip(&endpoint.address).is_err()
                && !endpoint.address.starts_with("unix://")
        });
        match self.resolution {
            Resolution::None if !self.endpoints.is_empty() => {
                findings.error("Invalid value: \"object\": NONE mode cannot set endpoints");
            }
            Resolution::Static => {
                if let Some(at) = by_address {
                    findings.error_at(
                        &format!("endpoints[{at}].address"),
                        "Invalid value: with STATIC resolution an endpoint is an IP address; \
                         use DNS for names",
                    );
                }
                if self.endpoints.is_empty() && self.workload_selector.is_none() {
                    findings.warn_at(
                        "endpoints",
                        Code::Suspicious,
                        "STATIC resolution without endpoints: nothing can be reached",
                    );
                }
            }
            Resolution::Dns | Resolution::DnsRoundRobin
                if wildcard && self.endpoints.is_empty() =>
            {
                findings.error_at(
                    "hosts",
                    "Invalid value: hosts must be FQDN if no endpoints are provided for \
                     resolution mode DNS",
                );
            }
            Resolution::DnsRoundRobin if self.endpoints.len() > 1 => {
                findings.error(
                    "Invalid value: \"object\": DNS_ROUND_ROBIN mode cannot have multiple endpoints",
                );
            }
            Resolution::DynamicDns => self.check_dynamic_dns(findings, wildcard),
            _ => {}
        }
    }

    fn check_dynamic_dns(&self, findings: &mut Findings<'_>, wildcard: bool) {
        if !wildcard {
            findings.error_at(
                "hosts",
                "Invalid value: DYNAMIC_DNS must be used with wildcard hosts",
            );
        }
        if !self.endpoints.is_empty() {
            findings.warn_at(
                "endpoints",
                Code::NoEffect,
                "DYNAMIC_DNS resolves the host of each request: endpoints have no effect",
            );
        }
        if self.location == Location::MeshInternal {
            findings.error_at(
                "location",
                "Invalid value: DYNAMIC_DNS is only supported for MESH_EXTERNAL",
            );
        }
    }
}

fn service_port(findings: &mut Findings<'_>, port: &ServicePort) {
    findings.rule("number", address::port(port.number));
    if port.name.is_empty() {
        findings.required("name", findings.is_written("name"));
    } else if !name::is_port_name(&port.name) {
        findings.error_at(
            "name",
            format!("Invalid value: \"{}\": not the name of a port", port.name),
        );
    }
    if !port.protocol.is_empty() {
        findings.rule("protocol", protocol(&port.protocol));
    }
    if let Some(target) = port.target_port {
        findings.rule("targetPort", address::port(target));
    }
}
