//! The name table of the agent's DNS proxy: host names of the mesh and their addresses.
//!
//! In: the snapshot and an [`OutboundView`]. Out: one `NameTable` resource. Services with an address
//! of their own are known by it, headless ones by their members, which have names of their own
//! besides.

use std::collections::BTreeMap;

use ferromesh_model::{OutboundView, Snapshot};
use ferromesh_registry::{Health, Provider, Resolution, Service};
use prost::Message;

use crate::Resource;

/// `istio.networking.nds.v1.NameTable` with its names in order.
#[derive(Clone, PartialEq, Message)]
struct NameTable {
    #[prost(btree_map = "string, message", tag = "1")]
    table: BTreeMap<String, Entry>,
}

/// `NameTable.NameInfo`.
#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, repeated, tag = "1")]
    ips: Vec<String>,
    #[prost(string, tag = "2")]
    registry: String,
    #[prost(string, tag = "3")]
    shortname: String,
    #[prost(string, tag = "4")]
    namespace: String,
}

/// The name table of the proxies with this view.
pub fn name_table(snapshot: &Snapshot, view: &OutboundView) -> Vec<Resource> {
    let scope = snapshot.scope(view);
    let mut table = NameTable {
        table: BTreeMap::new(),
    };
    for service in scope.services() {
        if service.resolution == Resolution::Alias {
            continue;
        }
        let mut addresses: Vec<String> = service
            .addresses_for(view.settings.dns_capture)
            .iter()
            .filter(|net| net.prefix_len() == net.max_prefix_len())
            .map(|net| net.addr().to_string())
            .collect();
        if service.headless {
            addresses = members(&mut table, snapshot, service);
        }
        if !addresses.is_empty() {
            let name = service.hostname.as_str();
            table.table.insert(
                name.to_owned(),
                entry(service, service.name.as_str(), addresses),
            );
        }
    }
    vec![Resource::new("", table.encode_to_vec())]
}

/// Adds the members of a headless service that have a name below it, and gives all their addresses.
fn members(table: &mut NameTable, snapshot: &Snapshot, service: &Service) -> Vec<String> {
    let Some(all) = snapshot.endpoints().of(&service.key()) else {
        return Vec::new();
    };
    let mut addresses = Vec::new();
    for endpoint in all.endpoints.iter().filter(|e| e.health == Health::Healthy) {
        let Some(ip) = endpoint.address.ip() else {
            continue;
        };
        let ip = ip.to_string();
        if !endpoint.hostname.is_empty() && endpoint.subdomain == service.name {
            let name = format!("{}.{}", endpoint.hostname, service.hostname);
            let short = format!("{}.{}", endpoint.hostname, service.name);
            let known = table
                .table
                .entry(name)
                .or_insert_with(|| entry(service, &short, vec![]));
            if !known.ips.contains(&ip) {
                known.ips.push(ip.clone());
            }
        }
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    addresses
}

fn entry(service: &Service, short: &str, ips: Vec<String>) -> Entry {
    let (registry, shortname, namespace) = match service.provider {
        Provider::Kubernetes => ("Kubernetes", short, service.namespace.as_str()),
        Provider::External => ("External", "", ""),
    };
    Entry {
        ips,
        registry: registry.to_owned(),
        shortname: shortname.to_owned(),
        namespace: namespace.to_owned(),
    }
}
