//! `WorkloadEntry`: a workload outside the cluster; also the endpoints of a ServiceEntry.

use std::collections::BTreeMap;

use ferromesh_types::{Labels, Str};

use crate::check::{Findings, address, name};
use crate::parse::Body;
use serde::Deserialize;

/// A workload with its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadEntry {
    /// An IP address, a host name (DNS resolution), or `unix:///path`.
    pub address: Str,
    /// Ports by the names of the service's ports.
    pub ports: BTreeMap<Str, u16>,
    /// Its labels.
    pub labels: Labels,
    /// The network that it is in.
    pub network: Str,
    /// `region/zone/subzone`.
    pub locality: Str,
    /// Its share among the endpoints; 0 counts as 1.
    pub weight: u32,
    /// The service account that it runs as.
    pub service_account: Str,
}

impl Body for WorkloadEntry {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        check(findings, self, Address::Needed);
    }
}

/// Whether an entry must say where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// By address or network.
    Needed,
    /// A template: its entries will say.
    Open,
}

/// The rules of an entry, also as endpoint of a ServiceEntry and as template.
pub(crate) fn check(findings: &mut Findings<'_>, entry: &WorkloadEntry, place: Address) {
    if place == Address::Needed
        && !findings.is_written("address")
        && !findings.is_written("network")
    {
        findings.error("Invalid value: \"object\": Address is required");
    }
    let local = entry.address.starts_with("unix://");
    if local {
        findings.rule("address", address::unix_socket(&entry.address));
        if findings.is_written("ports") {
            findings.error("Invalid value: \"object\": UDS may not include ports");
        }
    } else if !entry.address.is_empty() && address::ip(&entry.address).is_err() {
        findings.rule("address", name::exact_host(&entry.address));
    }
    findings.max_length("address", &entry.address, 256);
    findings.max_length("network", &entry.network, 2048);
    findings.max_length("locality", &entry.locality, 2048);
    findings.max_length("serviceAccount", &entry.service_account, 253);
    findings.field("ports", |findings| {
        for (port_name, number) in &entry.ports {
            if !name::is_port_name(port_name) {
                findings.error(format!(
                    "Invalid value: \"object\": port name must be valid, not \"{port_name}\""
                ));
            }
            findings.rule(port_name, address::port(*number));
        }
    });
    findings.field("labels", |findings| {
        for (key, value) in entry.labels.iter() {
            findings.rule_here(name::label_key(key));
            findings.rule(key, name::label_value(value));
        }
    });
}
