//! Where the requests of a rule go.

use ferromesh_config::kind::gateway_api::{BackendReference, ServiceReference};
use ferromesh_config::kind::virtual_service::{Destination, PortSelector};
use ferromesh_types::{Hostname, Namespace};

use crate::grant::{self, Referred};
use crate::listener::RouteKind;
use crate::written::Written;

/// Who has the backends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) kind: RouteKind,
    pub(crate) namespace: &'a Namespace,
}

/// The destination of a reference; `None` for one that may not be used, or is of a kind that is not
/// served. A Service that does not exist is a destination: requests to it fail when they come.
pub(crate) fn destination(
    written: &Written,
    source: Source<'_>,
    target: &ServiceReference,
) -> Option<Destination> {
    let namespace = grant::namespace_of(&target.namespace, source.namespace);
    let host = match (target.group.as_str(), target.kind.as_str()) {
        ("" | "core", "Service") => {
            let from = (source.kind.name(), source.namespace);
            let to = (&namespace, &target.name);
            if !grant::permits(written, from, Referred::Service, to) {
                return None;
            }
            Hostname::from(target.name.as_str()).expand(&namespace, &written.domain)
        }
        ("networking.istio.io", "Hostname") if target.namespace.is_empty() => {
            Hostname::from(target.name.as_str())
        }
        _ => return None,
    };
    Some(Destination {
        host,
        port: target.port.map(|number| PortSelector { number }),
        ..Destination::default()
    })
}

/// What stands for a destination that may not be used: no cluster has its name.
pub(crate) fn nowhere() -> Destination {
    Destination::default()
}

/// The destinations of a rule with their shares; none if nobody gets a share.
pub(crate) fn shares<'a>(
    written: &Written,
    source: Source<'_>,
    backends: &'a [BackendReference],
) -> Vec<(Destination, &'a BackendReference)> {
    if backends.iter().all(|backend| backend.weight == 0) {
        return Vec::new();
    }
    backends
        .iter()
        .map(|backend| {
            let destination = destination(written, source, &backend.target());
            (destination.unwrap_or_else(nowhere), backend)
        })
        .collect()
}
