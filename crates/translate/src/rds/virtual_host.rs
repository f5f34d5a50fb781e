//! Virtual hosts and route tables, put together from encoded routes.
//!
//! A table of a large mesh holds a thousand virtual hosts; each is encoded once and copied, never
//! built twice.

use std::borrow::Cow;
use std::collections::HashSet;

use ferromesh_proto::envoy::config::route::v3::{
    Route, RouteConfiguration, route::Action, virtual_host::TlsRequirementType,
};
use prost::Message;

use super::route::EncodedRoute;
use crate::Resource;
use crate::value::{flag, number};
use crate::wire;

/// The largest body of a direct response.
const DIRECT_RESPONSE_LIMIT: u32 = 1024 * 1024;

/// Field numbers of Envoy's messages.
mod field {
    /// `VirtualHost.name`.
    pub(super) const NAME: u32 = 1;
    /// `VirtualHost.domains`.
    pub(super) const DOMAINS: u32 = 2;
    /// `VirtualHost.routes`.
    pub(super) const ROUTES: u32 = 3;
    /// `VirtualHost.require_tls`.
    pub(super) const REQUIRE_TLS: u32 = 4;
    /// `VirtualHost.include_request_attempt_count`.
    pub(super) const INCLUDE_REQUEST_ATTEMPT_COUNT: u32 = 14;
    /// `RouteConfiguration.virtual_hosts`.
    pub(super) const VIRTUAL_HOSTS: u32 = 2;
}

/// A virtual host before it is encoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft<'a> {
    /// Its name: `host:port`.
    pub(crate) name: String,
    /// The names that requests may use, in lower case.
    pub(crate) domains: Vec<Cow<'a, str>>,
    /// Its routes, in order.
    pub(crate) routes: Vec<EncodedRoute>,
    /// Whether plaintext requests are redirected to HTTPS.
    pub(crate) redirects_to_https: bool,
    /// Whether it stands for a name without any route: no count of attempts is asked for.
    pub(crate) empty: bool,
}

impl Draft<'_> {
    fn encode(&self) -> Vec<u8> {
        let routes: usize = self.routes.iter().map(|route| route.bytes.len() + 4).sum();
        let domains: usize = self.domains.iter().map(|domain| domain.len() + 2).sum();
        let mut bytes = Vec::with_capacity(self.name.len() + domains + routes + 16);
        wire::append_encoded(&mut bytes, field::NAME, self.name.as_bytes());
        for domain in &self.domains {
            wire::append_encoded(&mut bytes, field::DOMAINS, domain.as_bytes());
        }
        for route in &self.routes {
            wire::append_encoded(&mut bytes, field::ROUTES, &route.bytes);
        }
        if self.redirects_to_https {
            wire::append_number(
                &mut bytes,
                field::REQUIRE_TLS,
                TlsRequirementType::All as u64,
            );
        }
        if !self.empty {
            wire::append_number(&mut bytes, field::INCLUDE_REQUEST_ATTEMPT_COUNT, 1);
        }
        bytes
    }
}

/// A virtual host for whatever no other takes: one route named like it.
pub(crate) fn catch_all(name: &str, action: Action) -> Draft<'static> {
    let route = Route {
        name: name.to_owned(),
        r#match: Some(super::route_match::any_request()),
        action: Some(action),
        ..Default::default()
    };
    Draft {
        name: name.to_owned(),
        domains: vec![Cow::Borrowed("*")],
        routes: vec![EncodedRoute::plain(&route)],
        ..Default::default()
    }
}

/// Removes domains that two virtual hosts claim, since Envoy refuses such a table: a full name in
/// `full_names` belongs to the host of that name, of others the first one keeps it. Virtual hosts
/// that lose all their domains are dropped.
pub(crate) fn settle_domains(hosts: &mut Vec<Draft<'_>>, full_names: &HashSet<&str>) {
    let count = hosts.iter().map(|host| host.domains.len()).sum();
    let mut taken: HashSet<&str> = HashSet::with_capacity(count);
    let mut keeps = Vec::with_capacity(count);
    for host in hosts.iter() {
        let own = host
            .name
            .rsplit_once(':')
            .map_or(host.name.as_str(), |(name, _)| name);
        keeps.extend(host.domains.iter().map(|domain| {
            let foreign = domain != own && full_names.contains(domain.as_ref());
            !foreign && taken.insert(domain)
        }));
    }
    let mut keeps = keeps.into_iter();
    for host in hosts.iter_mut() {
        host.domains.retain(|_| keeps.next().unwrap_or_default());
    }
    hosts.retain(|host| !host.domains.is_empty());
}

/// The route table.
pub(crate) fn table(name: &str, hosts: &[Draft<'_>]) -> Resource {
    let head = RouteConfiguration {
        name: name.to_owned(),
        validate_clusters: flag(false),
        max_direct_response_body_size_bytes: number(DIRECT_RESPONSE_LIMIT),
        ignore_port_in_host_matching: true,
        ..Default::default()
    };
    let mut bytes = head.encode_to_vec();
    for host in hosts {
        wire::append_encoded(&mut bytes, field::VIRTUAL_HOSTS, &host.encode());
    }
    Resource::new(name, bytes)
}
