//! Virtual hosts and route tables, put together from encoded routes.
//!
//! A table of a large mesh holds a thousand virtual hosts; each is encoded once and copied, never
//! built twice.

use std::collections::HashSet;

use ferromesh_proto::envoy::config::route::v3::{
    Route, RouteConfiguration, VirtualHost, route::Action, virtual_host::TlsRequirementType,
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
    /// `VirtualHost.routes`.
    pub(super) const ROUTES: u32 = 3;
    /// `RouteConfiguration.virtual_hosts`.
    pub(super) const VIRTUAL_HOSTS: u32 = 2;
}

/// A virtual host before it is encoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// Its name: `host:port`.
    pub(crate) name: String,
    /// The names that requests may use.
    pub(crate) domains: Vec<String>,
    /// Its routes, in order.
    pub(crate) routes: Vec<EncodedRoute>,
    /// Whether plaintext requests are redirected to HTTPS.
    pub(crate) redirects_to_https: bool,
    /// Whether it stands for a name without any route: no count of attempts is asked for.
    pub(crate) empty: bool,
}

impl Draft {
    fn encode(&self) -> Vec<u8> {
        let requirement = if self.redirects_to_https {
            TlsRequirementType::All
        } else {
            TlsRequirementType::None
        };
        let head = VirtualHost {
            name: self.name.clone(),
            domains: self.domains.clone(),
            require_tls: requirement as i32,
            include_request_attempt_count: !self.empty,
            ..Default::default()
        };
        let mut bytes = head.encode_to_vec();
        for route in &self.routes {
            wire::append_encoded(&mut bytes, field::ROUTES, &route.bytes);
        }
        bytes
    }
}

/// A virtual host for whatever no other takes: one route named like it.
pub(crate) fn catch_all(name: &str, action: Action) -> Draft {
    let route = Route {
        name: name.to_owned(),
        r#match: Some(super::route_match::any_request()),
        action: Some(action),
        ..Default::default()
    };
    Draft {
        name: name.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![EncodedRoute::plain(&route)],
        ..Default::default()
    }
}

/// Removes domains that two virtual hosts claim, since Envoy refuses such a table: a full name in
/// `full_names` belongs to the host of that name, of others the first one keeps it. Virtual hosts
/// that lose all their domains are dropped.
pub(crate) fn settle_domains(hosts: &mut Vec<Draft>, full_names: &HashSet<&str>) {
    let mut taken: HashSet<String> = HashSet::new();
    for host in hosts.iter_mut() {
        let own = host
            .name
            .rsplit_once(':')
            .map_or(host.name.clone(), |(name, _)| name.to_owned());
        host.domains.retain(|domain| {
            let foreign = *domain != own && full_names.contains(domain.as_str());
            !foreign && taken.insert(domain.to_ascii_lowercase())
        });
    }
    hosts.retain(|host| !host.domains.is_empty());
}

/// The route table.
pub(crate) fn table(name: &str, hosts: &[Draft]) -> Resource {
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
