//! `/listeners`.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::json;

use super::{json as json_page, text};
use crate::cluster::Address;
use crate::proxy::ProxyHandle;

pub(super) async fn listeners(
    State(proxy): State<ProxyHandle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let config = proxy.config().current();
    if query.get("format").is_some_and(|format| format == "json") {
        let statuses: Vec<_> = config
            .listeners
            .iter()
            .map(|listener| {
                let additional: Vec<_> = listener.addresses[1..].iter().map(address_json).collect();
                json!({
                    "name": listener.name.as_str(),
                    "local_address": address_json(&listener.addresses[0]),
                    "additional_local_addresses": additional,
                })
            })
            .collect();
        return json_page(&json!({"listener_statuses": statuses}));
    }
    let lines = config.listeners.iter().map(|listener| {
        let addresses: Vec<_> = listener.addresses.iter().map(ToString::to_string).collect();
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
        Address::Pipe(path) => json!({"pipe": {"path": path}}),
    }
}
