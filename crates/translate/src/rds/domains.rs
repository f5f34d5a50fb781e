//! The names by which requests may call a service.
//!
//! A client may use the full name, the full name with a dot at its end, and the shorter names that
//! its resolver completes: `svc` from the same namespace, `svc.ns` and `svc.ns.svc` from anywhere.
//! Virtual addresses count as names as well. Members of a headless service have names of their own
//! below the service's.

use std::borrow::Cow;
use std::net::IpAddr;

use ferromesh_model::{RouteView, Scope};
use ferromesh_registry::Service;

/// All domains of the service for clients with this view.
pub(super) fn of_service<'a>(
    service: &'a Service,
    view: &RouteView,
    scope: &Scope,
) -> Vec<Cow<'a, str>> {
    let mut domains = Vec::with_capacity(6);
    add_names(&mut domains, service.hostname.as_str(), &view.dns_domain);
    for alias in &service.aliases {
        if scope.service(&alias.hostname).is_some() {
            add_names(&mut domains, alias.hostname.as_str(), &view.dns_domain);
        }
    }
    if service.headless {
        let members: Vec<Cow<'_, str>> = domains
            .iter()
            .map(|domain| Cow::Owned(format!("*.{domain}")))
            .collect();
        domains.extend(members);
    }
    let addresses = service.addresses_for(view.outbound.settings.dns_capture);
    let family = view.outbound.ip_family;
    domains.extend(
        addresses
            .iter()
            .filter(|net| net.prefix_len() == net.max_prefix_len())
            .filter(|net| family.reaches(net.addr()))
            .map(|net| Cow::Owned(address(net.addr()))),
    );
    domains
}

fn add_names<'a>(domains: &mut Vec<Cow<'a, str>>, host: &'a str, dns_domain: &str) {
    domains.push(Cow::Borrowed(host));
    domains.push(Cow::Owned(format!("{host}.")));
    domains.extend(short_names(host, dns_domain).map(Cow::Borrowed));
}

/// The shorter forms of a name of the cluster; none for other names.
fn short_names<'a>(host: &'a str, dns_domain: &str) -> impl Iterator<Item = &'a str> {
    let own_namespace = dns_domain
        .split_once(".svc.")
        .map(|(namespace, _)| namespace);
    let parts = host
        .split_once(".svc.")
        .filter(|_| own_namespace.is_some())
        .and_then(|(in_cluster, _)| {
            let (name, namespace) = in_cluster.split_once('.')?;
            Some((name, namespace, in_cluster))
        });
    let bare =
        parts.and_then(|(name, namespace, _)| (own_namespace == Some(namespace)).then_some(name));
    let with_svc = parts.map(|(_, _, in_cluster)| &host[..in_cluster.len() + ".svc".len()]);
    let in_cluster = parts.map(|(_, _, in_cluster)| in_cluster);
    bare.into_iter().chain(with_svc).chain(in_cluster)
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
        let names = |host, domain| short_names(host, domain).collect::<Vec<_>>();
        assert_eq!(
            names(host, "shop.svc.cluster.local"),
            ["catalog", "catalog.shop.svc", "catalog.shop"]
        );
        assert_eq!(
            names(host, "other.svc.cluster.local"),
            ["catalog.shop.svc", "catalog.shop"]
        );
        assert!(names("api.example.com", "shop.svc.cluster.local").is_empty());
    }
}
