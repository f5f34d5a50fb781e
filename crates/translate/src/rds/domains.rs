//! The names by which requests may call a service.
//!
//! A client may use the full name, the full name with a dot at its end, and the shorter names that
//! its resolver completes: `svc` from the same namespace, `svc.ns` and `svc.ns.svc` from anywhere.
//! Virtual addresses count as names as well. Members of a headless service have names of their own
//! below the service's.

use std::net::IpAddr;

use ferromesh_model::{RouteView, Scope};
use ferromesh_registry::Service;

/// All domains of the service for clients with this view.
pub(super) fn of_service(service: &Service, view: &RouteView, scope: &Scope) -> Vec<String> {
    let mut domains = Vec::new();
    add_names(&mut domains, service.hostname.as_str(), &view.dns_domain);
    for alias in &service.aliases {
        if scope.service(&alias.hostname).is_some() {
            add_names(&mut domains, alias.hostname.as_str(), &view.dns_domain);
        }
    }
    if service.headless {
        let members: Vec<String> = domains.iter().map(|domain| format!("*.{domain}")).collect();
        domains.extend(members);
    }
    let addresses = service.addresses_for(view.outbound.settings.dns_capture);
    domains.extend(
        addresses
            .iter()
            .filter(|net| net.prefix_len() == net.max_prefix_len())
            .map(|net| address(net.addr())),
    );
    domains
}

fn add_names(domains: &mut Vec<String>, host: &str, dns_domain: &str) {
    domains.push(host.to_owned());
    domains.push(format!("{host}."));
    domains.extend(short_names(host, dns_domain));
}

/// The shorter forms of a name of the cluster; none for other names.
fn short_names(host: &str, dns_domain: &str) -> Vec<String> {
    let (Some((in_cluster, _)), Some((own_namespace, _))) =
        (host.split_once(".svc."), dns_domain.split_once(".svc."))
    else {
        return Vec::new();
    };
    let Some((name, namespace)) = in_cluster.split_once('.') else {
        return Vec::new();
    };
    let mut names = Vec::new();
    if namespace == own_namespace {
        names.push(name.to_owned());
    }
    names.push(format!("{in_cluster}.svc"));
    names.push(in_cluster.to_owned());
    names
}

fn address(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_namespace_calls_a_service_by_its_bare_name() {
        let host = "catalog.shop.svc.cluster.local";
        assert_eq!(
            short_names(host, "shop.svc.cluster.local"),
            ["catalog", "catalog.shop.svc", "catalog.shop"]
        );
        assert_eq!(
            short_names(host, "other.svc.cluster.local"),
            ["catalog.shop.svc", "catalog.shop"]
        );
        assert!(short_names("api.example.com", "shop.svc.cluster.local").is_empty());
    }
}
