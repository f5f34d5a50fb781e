//! `/listeners`.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::json;

use super::{json as json_page, text};
use crate::cluster::Address;
use crate::proxy::ProxyHandle;
use crate::worker::SocketState;

pub(super) async fn listeners(
    State(proxy): State<ProxyHandle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let config = proxy.config().current();
    let sockets = proxy.sockets();
    // The port that the system chose, where the config says 0.
    let real = |name: &str, address: &Address| {
        let found = sockets
            .iter()
            .find_map(|(listener, configured, state)| match state {
                SocketState::Listening(real)
                    if *listener == *name && address.ip() == Some(*configured) =>
                {
                    Some(*real)
                }
                _ => None,
            });
        found.map_or_else(|| address.clone(), Address::Ip)
    };
    if query.get("format").is_some_and(|format| format == "json") {
        let statuses: Vec<_> = config
            .listeners
            .iter()
            .map(|listener| {
                let mut addresses = listener
                    .addresses
                    .iter()
                    .map(|address| address_json(&real(&listener.name, address)));
                let first = addresses.next();
                let additional: Vec<_> = addresses.collect();
                json!({
                    "name": listener.name.as_str(),
                    "local_address": first,
                    "additional_local_addresses": additional,
                })
            })
            .collect();
        return json_page(&json!({"listener_statuses": statuses}));
    }
    let lines = config.listeners.iter().map(|listener| {
        let addresses: Vec<_> = listener
            .addresses
            .iter()
            .map(|address| real(&listener.name, address).to_string())
            .collect();
        format!("{}::{}\n", listener.name, addresses.join(","))
    });
    text(lines.collect())
}

/// An address as protobuf JSON.
pub(super) fn address_json(address: &Address) -> serde_json::Value {
    match address {
        Address::Ip(address) => json!({"socket_address": {
            "address": address.ip().to_string(),
            "port_value": address.port(),
        }}),
        Address::Unix(path) => json!({"pipe": {"path": path}}),
    }
}
