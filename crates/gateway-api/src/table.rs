//! Rules by the place that they hold at, as one VirtualService per place.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferromesh_config::kind::virtual_service::{
    HttpRedirect, HttpRoute, RedirectPort, RouteSemantics, TcpRoute, TlsRoute, VirtualService,
};
use ferromesh_config::{Kind, Object, Spec};
use ferromesh_types::{Hostname, Namespace, Str};
use time::OffsetDateTime;

use crate::attach::Parent;
use crate::listener::BoundListener;
use crate::precedence::Rank;
use crate::route_rules::RouteRules;
use crate::synthetic::{Identity, object};
use crate::written::{Meta, Written};

/// Where rules hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// At a made Gateway, for a host.
    Gateway(Str, Hostname),
    /// For the clients of a service: all of the mesh, or those of the namespace.
    Mesh {
        namespace: Namespace,
        host: Hostname,
        everybody: bool,
    },
}

/// What holds at a place.
#[derive(Debug)]
struct Table {
    /// Of the oldest route.
    namespace: Namespace,
    created: Option<OffsetDateTime>,
    http: Vec<(Rank, HttpRoute)>,
    tls: Vec<TlsRoute>,
    tcp: Vec<TcpRoute>,
}

/// All places.
#[derive(Debug, Default)]
pub(crate) struct Tables(BTreeMap<Place, Table>);

impl Tables {
    /// Adds the rules of a route at all its parents. Older routes come first.
    pub(crate) fn add_http(
        &mut self,
        written: &Written,
        listeners: &[BoundListener<'_>],
        route: &RouteRules<'_>,
    ) {
        let meta = route.attached.meta;
        for parent in route.attached.to(written, listeners) {
            let rules: Vec<(Rank, HttpRoute)> = route
                .rules
                .iter()
                .map(|rule| at_parent(rule.clone(), &parent))
                .map(|rule| (Rank::of(&rule.r#match[0]), rule))
                .collect();
            for place in places(&parent, meta) {
                self.table(place, meta).http.extend(rules.iter().cloned());
            }
        }
    }

    /// Adds a rule for TLS that passes.
    pub(crate) fn add_tls(&mut self, place: Place, meta: Meta<'_>, route: TlsRoute) {
        self.table(place, meta).tls.push(route);
    }

    /// Adds a rule for bytes.
    pub(crate) fn add_tcp(&mut self, place: Place, meta: Meta<'_>, route: TcpRoute) {
        self.table(place, meta).tcp.push(route);
    }

    fn table(&mut self, place: Place, meta: Meta<'_>) -> &mut Table {
        let table = self.0.entry(place).or_insert_with(|| Table {
            namespace: meta.namespace().clone(),
            created: meta.created(),
            http: Vec::new(),
            tls: Vec::new(),
            tcp: Vec::new(),
        });
        table.created = table.created.min(meta.created());
        table
    }

    /// The VirtualServices.
    pub(crate) fn into_objects(self) -> impl Iterator<Item = Object> {
        self.0
            .into_iter()
            .map(|(place, table)| table.into_object(place))
    }
}

impl Table {
    fn into_object(mut self, place: Place) -> Object {
        self.http.sort_by_key(|(rank, _)| *rank);
        let (host, gateway, visible, name) = match place {
            Place::Gateway(gateway, host) => {
                let name = format!("{}~{host}", gateway.replace('/', "~"));
                (host, gateway, "*", name)
            }
            Place::Mesh {
                namespace,
                host,
                everybody,
            } => {
                let name = format!("{namespace}~{host}");
                (host, "mesh".into(), if everybody { "*" } else { "." }, name)
            }
        };
        let made = VirtualService {
            hosts: vec![host],
            gateways: vec![gateway],
            http: self.http.into_iter().map(|(_, rule)| rule).collect(),
            tls: self.tls,
            tcp: self.tcp,
            export_to: vec![visible.into()],
            semantics: RouteSemantics::GatewayApi,
        };
        let identity = Identity::new(Kind::VirtualService, &self.namespace, name, self.created);
        object(identity, Spec::VirtualService(Arc::new(made)))
    }
}

/// The places at a parent where the rules of a route hold.
pub(crate) fn places(parent: &Parent<'_>, route: Meta<'_>) -> Vec<Place> {
    match parent {
        Parent::Listener(bound, hosts) => hosts
            .iter()
            .map(|host| Place::Gateway(bound.reference(), host.clone()))
            .collect(),
        Parent::Mesh { host, home, .. } => vec![Place::Mesh {
            namespace: route.namespace().clone(),
            host: host.clone(),
            everybody: home == route.namespace(),
        }],
    }
}

/// The rule as it is at one parent: bound to its port, with its port in redirects.
fn at_parent(mut rule: HttpRoute, parent: &Parent<'_>) -> HttpRoute {
    match parent {
        Parent::Listener(bound, _) => {
            if let Some(redirect) = &mut rule.redirect {
                settle_port(redirect, bound);
            }
        }
        Parent::Mesh { port, .. } => {
            for condition in &mut rule.r#match {
                condition.port = *port;
            }
        }
    }
    rule
}

/// A redirect that keeps the scheme names the listener's port, unless that is what the scheme
/// stands for.
fn settle_port(redirect: &mut HttpRedirect, bound: &BoundListener<'_>) {
    let derived = redirect.derive_port == Some(RedirectPort::FromRequestPort);
    let implied = match bound.listener.protocol.as_str() {
        "HTTPS" => 443,
        _ => 80,
    };
    if derived {
        redirect.derive_port = None;
        redirect.port = Some(bound.listener.port);
    }
    if redirect.scheme.is_empty() && redirect.port == Some(implied) {
        redirect.port = None;
    }
}
