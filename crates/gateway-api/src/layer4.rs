//! Rules of TLSRoutes and TCPRoutes.

use ferromesh_config::kind::gateway_api::Layer4Rule;
use ferromesh_config::kind::virtual_service::{
    L4MatchAttributes, RouteDestination, TcpRoute, TlsMatchAttributes, TlsRoute,
};
use ferromesh_types::Hostname;

use crate::attach::{Attached, Parent};
use crate::backend::{self, Source};
use crate::listener::{BoundListener, RouteKind};
use crate::table::{Place, Tables, places};
use crate::written::Written;

/// Adds the rules of all these routes.
pub(crate) fn add(written: &Written, listeners: &[BoundListener<'_>], tables: &mut Tables) {
    for route in written.tls_routes() {
        let attached = Attached {
            kind: RouteKind::Tls,
            meta: route.meta,
            parents: &route.spec.parent_refs,
            hostnames: &route.spec.hostnames,
        };
        add_route(written, listeners, tables, attached, &route.spec.rules);
    }
    for route in written.tcp_routes() {
        let attached = Attached {
            kind: RouteKind::Tcp,
            meta: route.meta,
            parents: &route.spec.parent_refs,
            hostnames: &[],
        };
        add_route(written, listeners, tables, attached, &route.spec.rules);
    }
}

fn add_route(
    written: &Written,
    listeners: &[BoundListener<'_>],
    tables: &mut Tables,
    attached: Attached<'_>,
    rules: &[Layer4Rule],
) {
    let source = Source {
        kind: attached.kind,
        namespace: attached.meta.namespace(),
    };
    for parent in attached.to(written, listeners) {
        for rule in rules {
            let destinations = destinations(written, source, rule);
            for place in places(&parent, attached.meta) {
                add_rule(tables, attached, &parent, place, destinations.clone());
            }
        }
    }
}

fn add_rule(
    tables: &mut Tables,
    attached: Attached<'_>,
    parent: &Parent<'_>,
    place: Place,
    route: Vec<RouteDestination>,
) {
    let (opened, port, host) = match (parent, &place) {
        (Parent::Listener(bound, _), Place::Gateway(_, host)) => {
            (!bound.passes_tls(), None, Some(host.clone()))
        }
        (Parent::Mesh { port, .. }, _) => (attached.kind == RouteKind::Tcp, *port, None),
        (Parent::Listener(..), Place::Mesh { .. }) => return,
    };
    if opened {
        let conditions = port.map(|port| L4MatchAttributes {
            port: Some(port),
            ..L4MatchAttributes::default()
        });
        let route = TcpRoute {
            r#match: conditions.into_iter().collect(),
            route,
        };
        tables.add_tcp(place, attached.meta, route);
        return;
    }
    let written_names = attached
        .hostnames
        .iter()
        .map(|name| Hostname::from(name.as_str()));
    let condition = TlsMatchAttributes {
        sni_hosts: host.map_or_else(|| written_names.collect(), |host| vec![host]),
        port,
        ..TlsMatchAttributes::default()
    };
    let route = TlsRoute {
        r#match: vec![condition],
        route,
    };
    tables.add_tls(place, attached.meta, route);
}

/// Where the connections of a rule go; nowhere at all is a destination that does not exist.
fn destinations(written: &Written, source: Source<'_>, rule: &Layer4Rule) -> Vec<RouteDestination> {
    let mut made: Vec<RouteDestination> = backend::shares(written, source, &rule.backend_refs)
        .into_iter()
        .filter(|(_, backend)| backend.weight > 0)
        .map(|(destination, backend)| RouteDestination {
            destination,
            weight: backend.weight,
        })
        .collect();
    if made.is_empty() {
        made.push(RouteDestination {
            destination: backend::nowhere(),
            weight: 1,
        });
    }
    made
}
