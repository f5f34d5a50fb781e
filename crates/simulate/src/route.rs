//! Which route takes a request.

use std::sync::Arc;

use ferromesh_proxy::compiled::{HttpManager, RouteSource};
use ferromesh_route::request::PlainRequest;
use ferromesh_route::{Action, Outcome, Route, RouteTable, VirtualHost};

use crate::call::Call;
use crate::forward::{self, Taken};
use crate::plane::Plane;
use crate::walk::{End, Failure, Other, Stage, Walk};

/// Routes beyond this number are not explained one by one.
const EXPLAINED: usize = 100;

/// Finds virtual host and route and follows the route.
pub(crate) fn choose(
    plane: &Plane,
    manager: &HttpManager,
    call: &Call,
    terminated: bool,
    walk: &mut Walk,
) -> Result<End, Failure> {
    let table = plane.config.route_table(manager);
    walk.route_config = match (&manager.routes, table) {
        (RouteSource::Named(name), _) => name.clone(),
        (RouteSource::Inline(table), _) => table.name.clone(),
    };
    let Some(table) = table else {
        let because = "the control plane did not send it";
        walk.step(Stage::RouteConfig, "", because);
        return Err(Failure::NoVirtualHost);
    };
    let because = match &manager.routes {
        RouteSource::Inline(_) => "it is part of the chain",
        RouteSource::Named(_) => "the chain names it",
    };
    let name = walk.route_config.clone();
    walk.step(Stage::RouteConfig, &name, because);
    let mut request = call.request.clone();
    let scheme = if terminated { "https" } else { "http" };
    scheme.clone_into(&mut request.scheme);
    match table.find(&request, call.random) {
        Outcome::NoVirtualHost => {
            let because = format!("no domain is {}", request.authority);
            let others = domains(table.virtual_hosts(), None);
            walk.decided(Stage::VirtualHost, "", because, others);
            Err(Failure::NoVirtualHost)
        }
        Outcome::TlsRequired(host) => {
            enter(table.virtual_hosts(), host, &request, walk);
            walk.step(Stage::Route, "", "the virtual host redirects to HTTPS");
            Err(Failure::TlsRedirect)
        }
        Outcome::NoRoute(host) => {
            enter(table.virtual_hosts(), host, &request, walk);
            let others = routes(host, None, &request, call.random);
            walk.decided(Stage::Route, "", "no route is for the request", others);
            Err(Failure::NoRoute)
        }
        Outcome::Route {
            virtual_host,
            route,
            matched,
        } => {
            enter(table.virtual_hosts(), virtual_host, &request, walk);
            let others = routes(virtual_host, Some(route), &request, call.random);
            let because = "it is the first whose conditions all hold";
            walk.decided(Stage::Route, &name_of(route), because, others);
            walk.route = route.name.clone();
            let taken = (
                table.as_ref(),
                virtual_host.as_ref(),
                route.as_ref(),
                matched,
            );
            Ok(follow(plane, taken, &request, call, walk))
        }
    }
}

fn enter(all: &[Arc<VirtualHost>], host: &VirtualHost, request: &PlainRequest, walk: &mut Walk) {
    walk.virtual_host = host.name.clone();
    let because = format!("its domains are the closest to {}", request.authority);
    let others = domains(all, Some(host));
    walk.decided(Stage::VirtualHost, &host.name, because, others);
}

fn domains(all: &[Arc<VirtualHost>], chosen: Option<&VirtualHost>) -> Vec<Other> {
    all.iter()
        .filter(|host| chosen.is_none_or(|chosen| chosen.name != host.name))
        .take(EXPLAINED)
        .map(|host| Other {
            name: host.name.to_string(),
            because: format!("its domains are {}", host.domains.join(", ")),
        })
        .collect()
}

/// Those before the chosen one, which do not match; those after it are not looked at.
fn routes(
    host: &VirtualHost,
    chosen: Option<&Arc<Route>>,
    request: &PlainRequest,
    random: u64,
) -> Vec<Other> {
    host.routes
        .iter()
        .take_while(|route| chosen.is_none_or(|chosen| !Arc::ptr_eq(chosen, route)))
        .take(EXPLAINED)
        .filter_map(|route| {
            Some(Other {
                name: name_of(route),
                because: route.matcher.unmet(request, random)?,
            })
        })
        .collect()
}

fn name_of(route: &Route) -> String {
    if route.name.is_empty() {
        "(unnamed)".to_owned()
    } else {
        route.name.to_string()
    }
}

fn follow(
    plane: &Plane,
    (table, host, route, matched): (&RouteTable, &VirtualHost, &Route, usize),
    request: &PlainRequest,
    call: &Call,
    walk: &mut Walk,
) -> End {
    match &route.action {
        Action::Redirect(redirect) => End::Redirected {
            status: redirect.status,
            location: redirect.location(request, matched),
        },
        Action::Respond(answer) => End::Answered {
            status: answer.status,
            body: answer.body.clone(),
        },
        Action::Forward(how) => {
            let retry = how.retry.as_ref().or(host.retry.as_ref());
            let mut edits = [&route.headers, &host.headers, &table.headers];
            if table.most_specific_headers_win {
                edits.reverse();
            }
            let taken = Taken {
                how,
                retry,
                matched,
                edits,
            };
            forward::request(plane, taken, request, call, walk)
        }
    }
}
