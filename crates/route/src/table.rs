//! The compiled route configuration and the lookup of a route.

use std::sync::Arc;

use ferromesh_types::Str;

use crate::action::Action;
use crate::filter_settings::FilterSettings;
use crate::fraction::Fraction;
use crate::header_match::HeaderMatch;
use crate::mirror::MirrorPolicy;
use crate::mutation::HeaderMutations;
use crate::path_match::PathMatch;
use crate::query_match::QueryMatch;
use crate::request::RequestView;
use crate::retry::RetryPolicy;
use crate::virtual_host::{DomainError, DomainIndex};

/// A compiled route configuration. Immutable; replaced whole.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// The resource's name.
    pub name: Str,
    /// The resource's version, as the control plane gave it.
    pub version: Str,
    /// Whether the authority's port is left out of the lookup.
    pub ignore_port: bool,
    /// Header edits for every request.
    pub headers: HeaderMutations,
    /// Whether the edits of the most specific level are made last and so win.
    pub most_specific_headers_win: bool,
    /// Settings of HTTP filters for every request.
    pub filters: FilterSettings,
    virtual_hosts: Vec<Arc<VirtualHost>>,
    domains: DomainIndex,
}

/// A virtual host: domains and routes.
#[derive(Clone, Debug, Default)]
pub struct VirtualHost {
    /// Its name.
    pub name: Str,
    /// Its domains, as written.
    pub domains: Vec<Str>,
    /// Its routes, in the order of matching.
    pub routes: Vec<Arc<Route>>,
    /// Which requests must come over TLS.
    pub require_tls: RequireTls,
    /// Header edits for its requests.
    pub headers: HeaderMutations,
    /// Retries of routes that have none of their own.
    pub retry: Option<RetryPolicy>,
    /// Whether its routes hedge, where they do not say.
    pub hedge_on_per_try_timeout: bool,
    /// Copies of requests whose route has none.
    pub mirrors: Vec<MirrorPolicy>,
    /// Whether `x-envoy-attempt-count` is sent upstream.
    pub request_attempt_count: bool,
    /// Whether `x-envoy-attempt-count` is sent downstream.
    pub response_attempt_count: bool,
    /// Settings of HTTP filters for its requests.
    pub filters: FilterSettings,
}

/// Which requests must come over TLS; the others are redirected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequireTls {
    /// None.
    #[default]
    None,
    /// Those from outside.
    External,
    /// All.
    All,
}

/// One route: what it matches and what it does.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name, for logs; may be empty.
    pub name: Str,
    /// What it matches.
    pub matcher: RouteMatch,
    /// What it does.
    pub action: Action,
    /// Header edits for its requests.
    pub headers: HeaderMutations,
    /// Settings of HTTP filters for its requests.
    pub filters: FilterSettings,
    /// The name of what is done, which proxies of one request tell each other.
    pub decorator: Option<Decorator>,
    /// The config object it comes from (`metadata` key `istio.config`), for messages.
    pub origin: Option<Str>,
}

/// The name of what a route does, for spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decorator {
    /// The name.
    pub operation: Str,
    /// Whether it is told to the next proxy.
    pub propagate: bool,
}

/// What a route matches; all conditions must hold.
#[derive(Clone, Debug)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// Whether letters of the path must have the same case.
    pub case_sensitive: bool,
    /// Headers.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters.
    pub query: Vec<QueryMatch>,
    /// A share of the requests.
    pub fraction: Option<Fraction>,
    /// Only gRPC requests.
    pub grpc: bool,
    /// Whether the client presented a certificate.
    pub certificate_presented: Option<bool>,
    /// Whether the client's certificate was verified.
    pub certificate_validated: Option<bool>,
}

impl Default for RouteMatch {
    fn default() -> Self {
        Self {
            path: PathMatch::Prefix("/".to_owned()),
            case_sensitive: true,
            headers: Vec::new(),
            query: Vec::new(),
            fraction: None,
            grpc: false,
            certificate_presented: None,
            certificate_validated: None,
        }
    }
}

/// What the lookup found.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// A route.
    Route {
        /// Its virtual host.
        virtual_host: &'a Arc<VirtualHost>,
        /// The route.
        route: &'a Arc<Route>,
        /// How many bytes of the path it matched; rewrites need it.
        matched: usize,
    },
    /// The virtual host wants TLS and the request came without.
    TlsRequired(&'a Arc<VirtualHost>),
    /// The virtual host has no route for the request.
    NoRoute(&'a Arc<VirtualHost>),
    /// No virtual host serves the authority.
    NoVirtualHost,
}

impl RouteTable {
    /// An empty table that ignores ports as told.
    pub fn new(name: Str, version: Str, ignore_port: bool) -> Self {
        Self {
            name,
            version,
            ignore_port,
            ..Self::default()
        }
    }

    /// Adds a virtual host with its domains.
    pub fn push(&mut self, host: VirtualHost) -> Result<(), DomainError> {
        let number = self.virtual_hosts.len() as u32;
        for domain in &host.domains {
            self.domains.insert(domain, number)?;
        }
        self.virtual_hosts.push(Arc::new(host));
        Ok(())
    }

    /// All virtual hosts in the order of the config.
    pub fn virtual_hosts(&self) -> &[Arc<VirtualHost>] {
        &self.virtual_hosts
    }

    /// Finds the route of a request that drew `random`.
    pub fn find(&self, request: &impl RequestView, random: u64) -> Outcome<'_> {
        let Some(number) = self.domains.find(request.authority(), self.ignore_port) else {
            return Outcome::NoVirtualHost;
        };
        let host = &self.virtual_hosts[number as usize];
        let wants_tls = host.require_tls != RequireTls::None;
        // How the client came counts, not what it says in an absolute or HTTP/2 target.
        let forwarded = request.header("x-forwarded-proto");
        if wants_tls && forwarded.as_deref().unwrap_or(request.scheme()) != "https" {
            return Outcome::TlsRequired(host);
        }
        for route in &host.routes {
            if let Some(matched) = route.matcher.matched_length(request, random) {
                return Outcome::Route {
                    virtual_host: host,
                    route,
                    matched,
                };
            }
        }
        Outcome::NoRoute(host)
    }

    /// Every cluster that a route names.
    pub fn cluster_names(&self) -> impl Iterator<Item = &Str> {
        self.virtual_hosts
            .iter()
            .flat_map(|host| &host.routes)
            .flat_map(|route| match &route.action {
                Action::Forward(forward) => forward.cluster_names(),
                Action::Redirect(_) | Action::Respond(_) => Vec::new(),
            })
    }
}

impl RouteMatch {
    /// How many bytes of the path match, when all conditions hold.
    pub fn matched_length(&self, request: &impl RequestView, random: u64) -> Option<usize> {
        if matches!(self.path, PathMatch::Connect) && request.method() != "CONNECT" {
            return None;
        }
        let matched = self
            .path
            .matched_length(request.path(), self.case_sensitive)?;
        let certificate = |wanted: Option<bool>, found: bool| wanted.is_none_or(|w| w == found);
        let holds = self.fraction.is_none_or(|fraction| fraction.holds(random))
            && (!self.grpc || is_grpc(request))
            && self.headers.iter().all(|header| header.is_match(request))
            && self
                .query
                .iter()
                .all(|query| query.is_match(request.path()))
            && certificate(
                self.certificate_presented,
                request.peer_presented_certificate(),
            )
            && certificate(
                self.certificate_validated,
                request.peer_certificate_validated(),
            );
        holds.then_some(matched)
    }
}

fn is_grpc(request: &impl RequestView) -> bool {
    request.header("content-type").is_some_and(|value| {
        value
            .strip_prefix("application/grpc")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::DirectResponse;
    use crate::header_match::HeaderCondition;
    use crate::request::PlainRequest;
    use crate::string_match::StringMatch;

    fn route(name: &str, matcher: RouteMatch) -> Arc<Route> {
        Arc::new(Route {
            name: name.into(),
            matcher,
            action: Action::Respond(DirectResponse {
                status: 200,
                body: bytes::Bytes::new(),
            }),
            headers: HeaderMutations::default(),
            filters: FilterSettings::default(),
            decorator: None,
            origin: None,
        })
    }

    fn chosen<'a>(table: &'a RouteTable, request: &PlainRequest) -> Option<&'a str> {
        match table.find(request, 0) {
            Outcome::Route { route, .. } => Some(&route.name),
            _ => None,
        }
    }

    #[test]
    fn the_first_route_whose_conditions_all_hold_is_taken() {
        let post = HeaderMatch {
            name: ":method".into(),
            condition: HeaderCondition::Value(StringMatch::Exact("POST".to_owned())),
            invert: false,
            missing_is_empty: false,
        };
        let mut table = RouteTable::new("80".into(), "1".into(), true);
        let host = VirtualHost {
            domains: vec!["shop".into()],
            routes: vec![
                route(
                    "post",
                    RouteMatch {
                        headers: vec![post],
                        ..RouteMatch::default()
                    },
                ),
                route("rest", RouteMatch::default()),
            ],
            ..VirtualHost::default()
        };
        table.push(host).expect("one domain");
        let mut request = PlainRequest::new("shop:80", "/x");
        assert_eq!(chosen(&table, &request), Some("rest"));
        "POST".clone_into(&mut request.method);
        assert_eq!(chosen(&table, &request), Some("post"));
        "other".clone_into(&mut request.authority);
        assert_eq!(chosen(&table, &request), None);
    }
}
