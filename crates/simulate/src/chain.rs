//! Which filter chain of a listener takes a connection.

use std::sync::Arc;

use ferromesh_proxy::compiled::{FilterChain, Listener, ListenerFilterKind};
use ferromesh_route::ConnectionView;

use crate::call::{Call, Tls};
use crate::plane::Plane;
use crate::walk::{Other, Stage, Walk};

/// Finds the chain with what the listener's filters see of the connection.
pub(crate) fn choose<'a>(
    plane: &Plane,
    listener: &'a Listener,
    call: &Call,
    walk: &mut Walk,
) -> Option<&'a Arc<FilterChain>> {
    let seen = Seen::of(listener, call);
    let view = ConnectionView {
        destination: Some(call.destination),
        server_name: seen.server_name,
        transport_protocol: seen.transport,
        application_protocols: &seen.protocols,
        source: Some(call.source),
        direct_source: Some(call.source),
    };
    let found = listener.chains.find(&view);
    let matches = plane.chain_matches.get(&listener.name);
    let others = listener
        .chains
        .chains
        .iter()
        .zip(matches.into_iter().flatten())
        .filter(|(chain, _)| found.is_none_or(|found| !Arc::ptr_eq(found, chain)))
        .map(|(chain, wanted)| Other {
            name: name(chain),
            because: wanted
                .unmet(&view)
                .unwrap_or_else(|| "another chain asks for more, and all of it holds".to_owned()),
        })
        .collect();
    let default = listener.chains.default.as_ref();
    let (chosen, because) = match found {
        Some(found) if default.is_some_and(|default| Arc::ptr_eq(default, found)) => (
            name(found),
            "no chain is for the connection; this is the rest",
        ),
        Some(found) => (name(found), "all that it asks for holds"),
        None => (String::new(), "no chain is for the connection"),
    };
    walk.decided(Stage::FilterChain, &chosen, because, others);
    found
}

fn name(chain: &FilterChain) -> String {
    if chain.name.is_empty() {
        "(unnamed)".to_owned()
    } else {
        chain.name.to_string()
    }
}

/// What the listener's filters see.
struct Seen<'a> {
    transport: &'static str,
    server_name: &'a str,
    protocols: Vec<&'a str>,
}

impl<'a> Seen<'a> {
    fn of(listener: &Listener, call: &'a Call) -> Self {
        let port = call.destination.port();
        let runs = |kind: ListenerFilterKind| {
            let mut filters = listener.listener_filters.iter();
            filters.any(|filter| filter.kind == kind && filter.runs_for(port))
        };
        if call.tls != Tls::Plaintext {
            if runs(ListenerFilterKind::TlsInspector) {
                return Self {
                    transport: "tls",
                    server_name: &call.server_name,
                    protocols: call.offered(),
                };
            }
            return Self::bytes(Vec::new());
        }
        if runs(ListenerFilterKind::HttpInspector) {
            return Self::bytes(call.shown());
        }
        Self::bytes(Vec::new())
    }

    fn bytes(protocols: Vec<&'a str>) -> Self {
        Self {
            transport: "raw_buffer",
            server_name: "",
            protocols,
        }
    }
}
