//! What routes and listeners ask about destinations, answered from the snapshot for one view.

use std::net::Ipv6Addr;

use ferromesh_config::kind::destination_rule::{ConsistentHashLb, TrafficPolicy, TunnelSettings};
use ferromesh_model::{OutboundView, Scope, Snapshot};
use ferromesh_proto::envoy::config::route::v3::route_action::{
    HashPolicy,
    hash_policy::{
        ConnectionProperties, Cookie, CookieAttribute, Header, PolicySpecifier, QueryParameter,
    },
};
use ferromesh_proto::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use ferromesh_registry::Resolution;
use ferromesh_types::Hostname;

use super::tcp_proxy::{ConnectionLimits, Tunnel};
use crate::cds::discovery;
use crate::cds::policy::Policy;
use crate::names;
use crate::rds::scope::{Destinations, Target};
use crate::value::duration;

/// Destinations as one circle of proxies sees them.
pub(crate) struct VisibleDestinations<'a> {
    /// The mesh.
    pub(crate) snapshot: &'a Snapshot,
    /// The circle.
    pub(crate) view: &'a OutboundView,
    /// What it sees.
    pub(crate) scope: &'a Scope,
    /// If set, the only port that services are known to have: on a sidecar, the listener that a
    /// request came in on stands for its port number on all services.
    pub(crate) listener_port: Option<u16>,
}

impl VisibleDestinations<'_> {
    /// Applies `read` to the policy in force for the destination.
    fn with_policy<R>(
        &self,
        host: &Hostname,
        subset: &str,
        port: u16,
        read: impl FnOnce(&Policy<'_>) -> R,
    ) -> Option<R> {
        let service = self.scope.service(host)?;
        let rule = self.snapshot.destination_rule(self.view, service)?;
        let subset_policy: Option<&TrafficPolicy> = rule
            .spec
            .subsets
            .iter()
            .find(|known| !subset.is_empty() && known.name == *subset)
            .and_then(|known| known.traffic_policy.as_ref());
        Some(read(&Policy::of(
            rule.spec.traffic_policy.as_ref(),
            subset_policy,
            port,
        )))
    }

    /// How long connections to the destination may live, and how they are spread.
    pub(crate) fn limits(&self, target: &Target) -> ConnectionLimits {
        let from_policy = |policy: &Policy<'_>| {
            let tcp = policy.connection_pool.and_then(|pool| pool.tcp.as_ref());
            ConnectionLimits {
                idle: tcp.and_then(|tcp| tcp.idle_timeout).map(|idle| *idle),
                lifetime: tcp
                    .and_then(|tcp| tcp.max_connection_duration)
                    .map(|life| *life),
                hash_source_ip: policy
                    .consistent_hash()
                    .is_some_and(|hash| hash.use_source_ip == Some(true)),
                tunnel: policy.tunnel.map(tunnel),
                resolves: None,
            }
        };
        let limits = self.with_policy(&target.host, &target.subset, target.port, from_policy);
        ConnectionLimits {
            resolves: self.name_cache(&target.host),
            ..limits.unwrap_or_default()
        }
    }

    /// Where the names of the destination are resolved, if it stands for any host of a domain.
    fn name_cache(&self, host: &Hostname) -> Option<DnsCacheConfig> {
        let service = self.scope.service(host)?;
        let by_name = service.resolution == Resolution::DynamicDns;
        by_name.then(|| discovery::dns_cache(&names::dns_cache(host), self.view.ip_family))
    }
}

impl Destinations for VisibleDestinations<'_> {
    fn only_port(&self, host: &Hostname) -> Option<u16> {
        let service = self.scope.service(host)?;
        if let Some(port) = self.listener_port {
            return service.port(port).map(|port| port.port);
        }
        match service.ports.as_slice() {
            [only] => Some(only.port),
            _ => None,
        }
    }

    fn hash_policy(&self, host: &Hostname, subset: &str, port: u16) -> Vec<HashPolicy> {
        let read = |policy: &Policy<'_>| policy.consistent_hash().and_then(hash_key);
        self.with_policy(host, subset, port, read)
            .flatten()
            .map(|specifier| HashPolicy {
                policy_specifier: Some(specifier),
                ..Default::default()
            })
            .into_iter()
            .collect()
    }
}

fn tunnel(settings: &TunnelSettings) -> Tunnel {
    let (host, port) = (&settings.target_host, settings.target_port);
    Tunnel {
        target: match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]:{port}"),
            Err(_) => format!("{host}:{port}"),
        },
        posts: settings.protocol == "POST",
    }
}

/// What the hash is made of.
fn hash_key(hash: &ConsistentHashLb) -> Option<PolicySpecifier> {
    if let Some(name) = &hash.http_header_name {
        return Some(PolicySpecifier::Header(Header {
            header_name: name.to_string(),
            ..Default::default()
        }));
    }
    if let Some(cookie) = &hash.http_cookie {
        return Some(PolicySpecifier::Cookie(Cookie {
            name: cookie.name.to_string(),
            ttl: cookie.ttl.map(|ttl| duration(*ttl)),
            path: cookie.path.to_string(),
            attributes: cookie
                .attributes
                .iter()
                .map(|attribute| CookieAttribute {
                    name: attribute.name.to_string(),
                    value: attribute.value.to_string(),
                })
                .collect(),
        }));
    }
    if hash.use_source_ip == Some(true) {
        return Some(PolicySpecifier::ConnectionProperties(
            ConnectionProperties { source_ip: true },
        ));
    }
    hash.http_query_parameter_name.as_ref().map(|name| {
        PolicySpecifier::QueryParameter(QueryParameter {
            name: name.to_string(),
        })
    })
}
